// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Discovery
internal import Documents
internal import Kernel
internal import Loop
internal import TLS

/// Everything that a node has to do with its control plane, put together: connection, mesh, certificates, reports. On the node's loop, as long as the node.
final class ControlClient {
    private unowned let host: any ControlHost
    let mesh: ControlMesh
    let keeper: ControlKeeper
    let certificates: ControlCertificates
    let identity: ControlIdentity
    let reporter: ControlReporter

    init(host: any ControlHost, dialler: any ControlDialler, credential: NodeCredential) {
        self.host = host
        mesh = ControlMesh(host: host)
        keeper = ControlKeeper(host: host, dialler: dialler, mesh: mesh, credential: credential)
        certificates = ControlCertificates(host: host, credential: credential)
        identity = ControlIdentity(host: host, credential: credential)
        reporter = ControlReporter(host: host)
        connect()
    }

    private func connect() {
        let link = { [weak keeper] in keeper?.link }
        certificates.link = link
        certificates.whyNoLink = { [weak self] in self?.whyNoLink ?? "" }
        certificates.onRoots = { [weak self] in self?.identity.adopt(roots: $0) }
        identity.link = link
        identity.onChange = { [weak self] in self?.changed($0) }
        reporter.link = link
        reporter.mesh = { [weak self] in (self?.mesh.position, self?.keeper.isSynchronised ?? false) }
    }

    func start() { keeper.start() }

    /// There is a connection: what waited for one goes on.
    func linkArrived() {
        certificates.linkArrived()
        reporter.linkArrived()
        identity.renewIfDue()
    }

    private func changed(_ credential: NodeCredential) {
        let isOtherHost = keeper.credential.keyDigest != credential.keyDigest
        keeper.use(credential)
        let isOtherTrust = Set(certificates.roots) != Set(credential.roots)
        certificates.use(credential)
        // Certificates from before it joined anew may be refused by all.
        if isOtherHost || isOtherTrust || Set(rootsInUse) != Set(credential.roots) {
            rootsInUse = credential.roots
            host.rootsChanged()
        }
    }

    private lazy var rootsInUse: [Certificate] = identity.credential.roots

    /// In words for whoever needs one.
    var whyNoLink: String {
        let addresses = host.configuration.control.addresses.map(\.description).joined(separator: ", ")
        guard let failure = keeper.lastFailure else { return "no control plane answers yet at \(addresses)" }
        return "no control plane answers at \(addresses); \(failure.address): \(failure.reason)"
    }

    /// What another store says is right, from the next connection on (I21).
    func acceptStore(then: @escaping () -> Void) {
        mesh.acceptAnyStore { [weak self] in
            self?.keeper.tryNow()
            then()
        }
    }

    var info: ControlInfo {
        var info = ControlInfo(addresses: host.configuration.control.addresses.map(\.description))
        switch keeper.state {
        case .waiting: info.state = .waiting
        case .connecting(let address): (info.state, info.address) = (.connecting, address.description)
        case .connected(let address, _, let since):
            info.state = keeper.isSynchronised ? .synchronised : .connected
            (info.address, info.since) = (address.description, since)
        }
        if let failure = keeper.lastFailure {
            (info.failure, info.failedAt) = ("\(failure.address): \(failure.reason)", failure.at)
        }
        info.store = mesh.position?.description
        info.refused = mesh.refusal?.reason
        info.rejected = mesh.rejected.map { ($0.name, $0.reason) }
        info.identity = identity.credential.identity.description
        info.certificateEnds = WallTime(seconds: identity.credential.notAfter)
        info.renewalFailure = identity.failure
        info.reportFailure = reporter.failure
        return info
    }
}
