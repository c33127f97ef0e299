// SPDX-License-Identifier: Apache-2.0

internal import Kernel

extension Capture {
    /// Runs the body inside the namespace.
    func entered<Result: ~Copyable>(
        _ namespace: borrowing NetworkNamespace, _ body: () throws(CaptureFailure) -> Result
    ) throws(CaptureFailure) -> Result {
        let home: NetworkNamespace
        do throws(Errno) { home = try NetworkNamespace.current() } catch { throw .namespace(error) }
        return try namespace.enter(from: home, body)
    }

    /// Runs the body inside the namespace, its failures being the namespace's.
    func inside<Result: ~Copyable>(
        _ namespace: borrowing NetworkNamespace, _ body: () throws(Errno) -> Result
    ) throws(CaptureFailure) -> Result {
        try entered(namespace) { () throws(CaptureFailure) in
            do throws(Errno) { return try body() } catch { throw .namespace(error) }
        }
    }

    /// Runs the body with a routing socket of the namespace.
    func routing(
        _ namespace: borrowing NetworkNamespace, _ body: (inout Netlink) throws(CaptureFailure) -> Void
    ) throws(CaptureFailure) {
        var route = try inside(namespace) { () throws(Errno) in try Netlink(.route) }
        try body(&route)
    }
}
