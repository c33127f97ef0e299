// SPDX-License-Identifier: Apache-2.0

import Support

/// A captured workload `web` on a host with `warrend`, and beside it `peer`, which speaks HBONE by other software: the mesh says it
/// is on another node of the mesh, so `web` is reached by it and reaches it through tunnels.
final class HBONEStage {
    let mesh: MeshLab
    let web: LabWorkload
    let peer: LabWorkload
    private var leaf = ""
    private var applications: [LabProcess] = []

    var node: LabNode { mesh.nodes[0] }
    static let identity = "spiffe://cluster.local/ns/default/sa/peer"

    /// `web` echoes on 8080 and says a banner on 8025.
    init(configure: (inout LabConfig) -> Void = { _ in }) throws {
        mesh = try MeshLab(hosts: 1, configure: configure)
        web = try mesh.add("web", on: 0)
        peer = try mesh.addStranger("peer", on: 0)
        mesh.mesh.workload(peer, node: "elsewhere")
        leaf = try peer.makeLeaf(identity: Self.identity)
        try mesh.start()
        applications = [try web.serve("echo", port: 8080), try web.serve("greet", port: 8025)]
    }

    private func identification(_ leaf: String?) -> [String] {
        ["--ca", "\(LabConfig.caFolder)/root.pem"] + (leaf.map { ["--cert", "\($0).pem", "--key", "\($0).key"] } ?? [])
    }

    /// Calls `web`'s 15008 by the foreign client, with `peer`'s good certificate unless another is given.
    func client(_ arguments: [String], certificate: String? = nil, anonymous: Bool = false, from place: LabWorkload? = nil) throws
        -> PeerEvent
    {
        let command = Peer.command(
            "hbone_client", ["--host", web.address] + identification(anonymous ? nil : certificate ?? leaf) + arguments)
        let outcome = try (place ?? peer).run(command, seconds: 40)
        guard let result = PeerEvent.all(in: outcome.out).last else { throw LabFailure(description: "\(arguments): \(outcome)") }
        return result
    }

    /// Makes another certificate for the foreign client.
    func certificate(_ kind: String) throws -> String { try peer.makeLeaf(kind, identity: Self.identity) }

    /// Starts the foreign server at `peer`'s 15008.
    func server(_ mode: String, _ options: String..., certificate: String? = nil) throws -> LabProcess {
        let process = try peer.start(
            Peer.command("hbone_server", ["--mode", mode] + identification(certificate ?? leaf) + options))
        try process.waitFor("\"listening\"")
        return process
    }
}

extension PeerEvent {
    /// What a CONNECT of the foreign client came to, in one word: the status, or `reset:CODE`, or how the connection ended.
    func answer(stream: Int = 1) -> String {
        if let status = self["streams.\(stream).status"] { return status }
        if let code = self["streams.\(stream).code"] { return "reset:\(code)" }
        if let code = self["goaway.code"] { return "goaway:\(code)" }
        if let error = self["tls.error"] { return "tls:\(error)" }
        return self["closed"] ?? "nothing"
    }
}
