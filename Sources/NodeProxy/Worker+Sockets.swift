// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import Tunnel

/// The sockets that a worker makes in workloads' namespaces. Each is owned by whoever asked for it; all are used on the worker's loop.
extension Worker {
    /// A socket that leaves the workload's namespace: redirection lets it pass, and the other side sees the address that the application had,
    /// if the workload has several to choose from.
    func leavingSocket(
        _ workload: EnrolledWorkload, _ family: IPAddress.Family, from source: IPAddress
    ) throws(Errno) -> Descriptor {
        let socket = try makeSocket(in: workload, family)
        try socket.setMark(HBONE.leavingMark)
        if workload.addresses.count > 1, source.family == family, workload.addresses.contains(source) {
            try socket.setBindAddressNoPort()
            try socket.bind(SocketAddress(source, 0))
        }
        try socket.setKeepalive(settings.keepalive)
        return socket
    }

    /// A socket towards an application in its namespace, from the client's own address, so that the application sees its client.
    func returningSocket(_ workload: EnrolledWorkload, from client: IPAddress, to target: IPAddress) throws(Errno) -> Descriptor {
        let socket = try makeSocket(in: workload, target.family)
        try socket.setMark(HBONE.returningMark)
        try socket.setKeepalive(settings.keepalive.nearby)
        // A workload that calls itself needs no borrowed address, and one of the other family can't be borrowed.
        if client != target, client.family == target.family {
            try socket.setTransparent(target.family)
            try socket.setBindAddressNoPort()
            try socket.bind(SocketAddress(client, 0))
        }
        return socket
    }

    /// Whatever isn't finished in order ends with a reset, also when the process dies (I12).
    private func makeSocket(in workload: EnrolledWorkload, _ family: IPAddress.Family) throws(Errno) -> Descriptor {
        standing.stand(in: workload.place.namespace)
        let socket = try Socket.tcp(family)
        socket.setResetOnClose(true)
        try socket.setNoDelay()
        if let name = settings.congestionControl { try socket.setCongestionControl(name) }
        return socket
    }
}
