// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Mesh
package import Tunnel

/// What the authority of a CONNECT means at a workload.
package enum InboundTarget {
    /// The longest name that DNS has, and a port.
    private static let longest = 253 + 6

    /// The application's address; or why it can't be meant, which the peer is told by 400.
    ///
    /// An address must be the one at which the tunnel arrived. A name must be a service of the mesh: its port leads to the port behind it at
    /// this workload. A name that nobody knows can never work, so it is answered as a bad request, not as a failure that may pass.
    /// - Parameter uid: the workload's.
    package static func resolve(
        _ authority: String, at local: IPAddress?, for uid: String, in snapshot: MeshSnapshot
    ) -> Result<SocketAddress, ConnectionFailure> {
        guard authority.utf8.count <= longest else { return bad("the authority has \(authority.utf8.count) bytes") }
        if let address = SocketAddress(authority) { return check(address, at: local) }
        guard let local else { return bad("the tunnel's own address is not known") }
        guard let (host, port) = split(authority) else { return bad("the authority \(quoted(authority)) is no address and port") }
        guard let id = snapshot.workload(uid: uid),
            let target = snapshot.targetPort(ofHost: host, port: port, at: id)
        else { return bad("no service \(quoted(host)) with port \(port) is known here") }
        return check(SocketAddress(local, target), at: local)
    }

    private static func check(_ address: SocketAddress, at local: IPAddress?) -> Result<SocketAddress, ConnectionFailure> {
        guard address.ip == local else { return bad("\(address.ip) is not the address of this workload") }
        guard address.port != 0 else { return bad("port 0 is no port") }
        guard !HBONE.isOwnPort(address.port) else {
            return bad("port \(address.port) belongs to the mesh, not to an application")
        }
        return .success(address)
    }

    private static func split(_ authority: String) -> (host: String, port: UInt16)? {
        guard let colon = authority.lastIndex(of: ":") else { return nil }
        let (host, digits) = (authority[..<colon], authority[authority.index(after: colon)...])
        guard !host.isEmpty, (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits), port != 0,
            host.utf8.allSatisfy({ isNameByte($0) })
        else { return nil }
        return (String(host), port)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x2d
            || byte == 0x2e
            || byte == 0x5f
    }

    private static func bad(_ reason: String) -> Result<SocketAddress, ConnectionFailure> {
        .failure(ConnectionFailure(.noRoute, reason, status: HBONE.Status.badTarget))
    }

    /// A peer's bytes in our sentence: bounded, and nothing but what is printable.
    package static func printable(_ text: String) -> String {
        if text.utf8.count <= 80, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) { return text }
        return String(decoding: text.utf8.prefix(80).map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    private static func quoted(_ text: String) -> String { "'\(printable(text))'" }
}

extension MeshSnapshot {
    /// The port behind a port of a service, known by its host name, at a workload that is one of its endpoints; services of the workload's own
    /// namespace first.
    func targetPort(ofHost host: String, port: UInt16, at id: WorkloadID) -> UInt16? {
        let workload = self[id]
        let named = memberships(of: workload).filter { self[$0.service].service.hostname == host }
        guard
            let membership = named.first(where: { self[$0.service].service.namespace == workload.workload.namespace })
                ?? named.first(where: { self[$0.service].service.canonical }) ?? named.first,
            let servicePort = self[membership.service].service.ports.first(where: { $0.servicePort == port })
        else { return nil }
        let own = membership.ports.first { $0.servicePort == port }
        if let own, own.targetPort != 0 { return own.targetPort }
        if servicePort.targetPort != 0 { return servicePort.targetPort }
        // The port itself, as Kubernetes defaults it; a named port that the workload lacks isn't in its list.
        return own == nil ? nil : port
    }
}
