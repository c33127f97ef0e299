// SPDX-License-Identifier: Apache-2.0

internal import Kernel

extension GuardRules {
    /// Loads both tables in the host's own namespace. Blocks.
    /// - Returns: why what is bridged isn't guarded; nil if it is, or if there is nobody to guard.
    package func load() throws(CaptureFailure) -> CaptureFailure? {
        let host: NetworkNamespace
        do throws(Errno) { host = try NetworkNamespace.current() } catch { throw .childNotStarted(error) }
        let results = try RulesChild().run([(host.descriptor.number, .apply(text)), (host.descriptor.number, .apply(bridgeText))])
        guard results.count == 2 else { throw .childUnreadable }
        _ = try results[0].get()
        if case .failure(let failure) = results[1], count > 0 { return failure }
        return nil
    }

    /// Whether one of the tables is there. Blocks.
    package static func isLoaded() throws(CaptureFailure) -> Bool {
        let host: NetworkNamespace
        do throws(Errno) { host = try NetworkNamespace.current() } catch { throw .childNotStarted(error) }
        let jobs = [
            (host.descriptor.number, RulesChild.Job.list(table: table)), (host.descriptor.number, .list(table: bridgeTable)),
        ]
        return try RulesChild().run(jobs).contains { if case .success(let text) = $0 { !text.isEmpty } else { false } }
    }
}
