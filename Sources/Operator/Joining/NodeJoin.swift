// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import Kernel
internal import TLS

/// The steps by which a host becomes a member. Lives for one `warren join`.
///
///     look ─► ask for the roots ─► key ─► show the token ─► check what came ─► files ─► configuration ─► start
///
/// Everything that could fail here is tried before the token is shown, for it is good only once. What fails later is undone.
struct NodeJoin {
    let place: ControlEndpoint.Place
    let token: JoinToken
    /// Nil: as the configuration says, or the host's own name.
    let node: String?
    let places: HostPlaces
    let isForced: Bool
    let starts: Bool
    /// Of warrend.
    let socket: String
    let session: Session

    /// Whom to trust, as the control plane says, and believed by the fingerprint.
    private struct Mesh {
        let roots: [Certificate]
        let trustDomain: String
    }

    func run() throws(ControlFailure) -> JoinResult {
        let before = try HostFiles.read(places.configuration)
        let configuration = try configuration(before)
        try checkFresh(configuration)
        let node = try name(configuration)
        let client = try session.connect(endpoint)
        let mesh = try mesh(client)
        guard let identity = NodeIdentity(trustDomain: mesh.trustDomain, name: node) else {
            throw ControlFailure("`\(mesh.trustDomain)` is no trust domain", remedy: "Look at the control plane's configuration.")
        }
        let joined = try edit(configuration, identity)
        let files = HostFiles()
        do throws(ControlFailure) {
            let notAfter = try write(identity, client, mesh, before: before, after: joined.text, files)
            return try start(JoinResult(node: node, address: place.address, notAfter: notAfter, hint: nil, state: ""))
        } catch {
            let lost = files.undo()
            guard !lost.isEmpty else { throw error }
            throw ControlFailure(
                error.message + ", and these couldn't be put back: \(lost.joined(separator: ", "))", remedy: error.remedy,
                isUnreachable: error.isUnreachable)
        }
    }

    private var endpoint: ControlEndpoint {
        var endpoint = ControlEndpoint(place)
        endpoint.trust = .fingerprint(token.fingerprint)
        return endpoint
    }

    // MARK: - Before the token is shown

    private func configuration(_ bytes: [UInt8]?) throws(ControlFailure) -> ConfigurationEdit {
        do throws(ConfigurationEdit.Failure) {
            return try ConfigurationEdit(bytes ?? [])
        } catch {
            throw ControlFailure("\(places.configuration):\(error.line): \(error.message)", remedy: "Mend it first.")
        }
    }

    private func checkFresh(_ configuration: ConfigurationEdit) throws(ControlFailure) {
        guard configuration.document["control"]?["istiod"]?["token"] == nil else {
            throw ControlFailure(
                "\(places.configuration) makes this host a client of istiod, which it can't be as a member of another mesh",
                remedy: "Remove control.istiod from it first.")
        }
        guard !isForced else { return }
        let addresses = configuration.document["control"]?["addresses"]?.sequenceValue ?? []
        guard addresses.isEmpty, !HostPlaces.isThere(places.certificate) else {
            let owner = addresses.first?.stringValue.map { " of \($0)" } ?? ""
            throw ControlFailure(
                "this host is a member of a mesh already\(owner)",
                remedy: "Leave it with `warren leave`, or replace it with --force.")
        }
    }

    private func name(_ configuration: ConfigurationEdit) throws(ControlFailure) -> String {
        let name = node ?? configuration.document["node"]?.stringValue ?? hostName()
        guard NodeIdentity.isName(name) else {
            throw ControlFailure(
                "`\(name)` is no name for a host of the mesh",
                remedy: "Name it with --node: lower-case letters, digits, `-` and `.`.")
        }
        return name
    }

    /// The roots that the control plane names, if the one of the token is among them.
    private func mesh(_ client: any ControlClient) throws(ControlFailure) -> Mesh {
        let document = try send(ControlRequest(.get, "/warren/v1/roots"), client)
        let pem = Array((document["roots"]?.stringValue ?? "").utf8)
        guard let roots = try? Certificate.roots(pem: pem), let domain = document["trustDomain"]?.stringValue else {
            throw ControlFailure("what answered at \(place.url) told no roots", remedy: "Is another program at that address?")
        }
        guard roots.contains(where: { $0.fingerprint.description == token.fingerprint }) else {
            throw ControlFailure(
                "the control plane at \(place.url) isn't the one that made the token: it has another root",
                remedy: "The token wasn't shown to it. Look at the address; if the root was changed since, make a new token.")
        }
        return Mesh(roots: roots, trustDomain: domain)
    }

    /// The configuration with what joining sets.
    private func edit(_ configuration: ConfigurationEdit, _ identity: NodeIdentity) throws(ControlFailure) -> ConfigurationEdit {
        var edit = configuration
        edit.set("node", .string(identity.name))
        let control = (configuration.document["control"] ?? .object([])).setting("addresses", [.string(place.address)])
            .setting("directory", .string(places.directory))
        edit.set("control", control)
        let domain = configuration.document["mesh"]?["trustDomain"]?.stringValue ?? DaemonConfiguration.standard.mesh.trustDomain
        if domain != identity.trustDomain {
            edit.set(
                "mesh", (configuration.document["mesh"] ?? .object([])).setting("trustDomain", .string(identity.trustDomain)))
        }
        let (_, findings) = DaemonConfiguration.read(Array(edit.text.utf8), node: identity.name)
        if let wrong = findings.first(where: { $0.severity == .error }) {
            throw ControlFailure("\(places.configuration): \(wrong.field): \(wrong.message)", remedy: wrong.remedy)
        }
        return edit
    }

    // MARK: - The token and what comes for it

    /// When the certificate ends.
    private func write(
        _ identity: NodeIdentity, _ client: any ControlClient, _ mesh: Mesh, before: [UInt8]?, after: String, _ files: HostFiles
    ) throws(ControlFailure) -> Int64 {
        let key = PrivateKey.generate()
        let csr = try certificates { () throws(CertificateFailure) in try SigningRequest.make(node: identity, key: key) }
        try files.makeDirectory(places.directory, mode: 0o700)
        try files.replace(places.key, with: key.pem, mode: 0o600)
        if let before { try files.replace(places.configurationBefore, with: before, mode: 0o600) }
        try files.replace(places.configurationAfter, with: Array(after.utf8), mode: 0o600)
        var request = ControlRequest(.post, "/warren/v1/join")
        request.contentType = "application/json"
        request.body =
            ([
                "token": .string(token.text), "node": .string(identity.name),
                "csr": .string(String(decoding: csr, as: UTF8.self)),
                "version": .string(warrenVersion),
            ] as Value).jsonBytes
        let document = try send(request, client)
        let (chain, roots) = try check(document, identity, key, mesh)
        try files.replace(places.certificate, with: chain.pem, mode: 0o600)
        try files.replace(places.roots, with: roots.pem, mode: 0o600)
        // Of another mesh, if any: this one's state comes with the first connection.
        try HostFiles.discard(places.lastMesh)
        let folder = places.configuration.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
            separator: "/")
        if !folder.isEmpty { try files.makeDirectory(folder, mode: 0o755) }
        let mode = (try? File.status(places.configuration))?.mode ?? 0o644
        try files.replace(places.configuration, with: Array(after.utf8), mode: mode)
        return chain.reduce(Int64.max) { min($0, $1.notAfter) }
    }

    /// The chain must be ours, name us and lead to the root that the token named: an answer that doesn't is no use to warrend.
    private func check(
        _ document: Value, _ identity: NodeIdentity, _ key: PrivateKey, _ mesh: Mesh
    ) throws(ControlFailure) -> (chain: [Certificate], roots: [Certificate]) {
        let chain = try? Certificate.chain(pem: Array((document["certificateChain"]?.stringValue ?? "").utf8))
        let roots = try? Certificate.roots(pem: Array((document["roots"]?.stringValue ?? "").utf8))
        guard let chain, let leaf = chain.first, let roots, let publicKey = leaf.publicKey, key.matches(publicKey),
            leaf.certifiedName == .node(identity), roots.contains(where: { $0.fingerprint.description == token.fingerprint }),
            let last = chain.last, roots.contains(where: { $0 == last || last.isSigned(by: $0) })
        else {
            throw ControlFailure(
                "the control plane sent a certificate that isn't this host's, or doesn't lead to the token's root",
                remedy: "Look at its log: journalctl -u warren-control.")
        }
        return (chain, roots)
    }

    private func send(_ request: ControlRequest, _ client: any ControlClient) throws(ControlFailure) -> Value {
        let answer = try client.send(request)
        guard (200...299).contains(answer.status) else { throw ControlFailure(answer, to: request) }
        return try ControlPlane.document(answer.body)
    }

    private func certificates<Made>(_ body: () throws(CertificateFailure) -> Made) throws(ControlFailure) -> Made {
        do throws(CertificateFailure) {
            return try body()
        } catch {
            throw ControlFailure("no certificate can be asked for: \(error)")
        }
    }

    // MARK: - Start

    /// How often and how long it is looked whether warrend is up.
    private static let looks = 40
    private static let look = Interval.milliseconds(500)

    private func start(_ result: JoinResult) throws(ControlFailure) -> JoinResult {
        guard starts, places.hasUnit else {
            let isStandard = places.configuration == HostPlaces().configuration
            let command =
                starts || !places.hasUnit
                ? "warrend\(isStandard ? "" : " --config \(places.configuration)")" : "systemctl enable --now warrend"
            return JoinResult(
                node: result.node, address: result.address, notAfter: result.notAfter, hint: "sudo \(command)", state: "")
        }
        let service = HostService(session: session)
        let before = service.state
        guard service.start() else {
            service.restore(before)
            throw ControlFailure("warrend couldn't be started", remedy: "Look at its log: journalctl -u warrend.")
        }
        var state = "is starting; `warren status` shows how it goes on"
        for _ in 0..<Self.looks {
            if case .success(let answer) = session.ask(AdminRequest(.get, "/status", socket: socket)),
                answer.document["ready"]?.boolValue == true, answer.document["control"]?.mappingValue != nil
            {
                state = "runs and is ready"
                break
            }
            if service.hasFailed {
                service.restore(before)
                throw ControlFailure("warrend was started and failed", remedy: "Look at its log: journalctl -u warrend.")
            }
            guard session.pause(Self.look) else { break }
        }
        return JoinResult(node: result.node, address: result.address, notAfter: result.notAfter, hint: nil, state: state)
    }
}

extension Value {
    /// A mapping with a key set, in its place or at the end.
    func setting(_ key: String, _ value: Value) -> Value {
        let entries = mappingValue ?? []
        guard entries.contains(where: { $0.key == key }) else { return Value(.mapping(entries + [Entry(key, value)])) }
        return Value(.mapping(entries.map { $0.key == key ? Entry(key, value) : $0 }))
    }
}
