// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Discovery
internal import Documents
internal import Kernel
internal import Loop
internal import TLS
internal import Telemetry

/// Everything that a node has to do with its control plane, put together: connection, mesh, certificates, reports. On the node's loop, as long as the
/// node.
final class ControlClient {
    /// What only a member of a mesh of `warren-control` has: a certificate of its own, which it renews, and reports.
    struct Member {
        let identity: ControlIdentity
        let reporter: ControlReporter
    }

    private unowned let host: any ControlHost
    let mesh: ControlMesh
    let keeper: ControlKeeper
    let certificates: ControlCertificates
    let member: Member?
    /// How istiod knows this host; nil for a member.
    let account: IstiodAccount?
    /// Roots that came with certificates are to be found after a restart.
    private let directory: NodeDirectory

    /// A member of a mesh of `warren-control`.
    convenience init(host: any ControlHost, dialler: any ControlDialler, credential: NodeCredential) {
        let member = Member(identity: ControlIdentity(host: host, credential: credential), reporter: ControlReporter(host: host))
        self.init(
            host: host, dialler: dialler, offer: .warren, standing: .member(credential),
            certificates: ControlCertificates(host: host, roots: credential.roots, mark: credential.keyDigest), member: member)
        let link = { [weak keeper] in keeper?.link }
        certificates.onRoots = { [weak self] in self?.member?.identity.adopt(roots: $0) }
        member.identity.link = link
        member.identity.onChange = { [weak self] in self?.changed($0) }
        member.reporter.link = link
        member.reporter.mesh = { [weak self] in (self?.mesh.position, self?.keeper.isSynchronised ?? false) }
    }

    /// A client of istiod.
    convenience init(istiodFor host: any ControlHost, dialler: any ControlDialler, roots: [Certificate]) {
        let configuration = host.configuration
        let account = IstiodAccount(host: host)
        self.init(
            host: host, dialler: dialler,
            offer: .istiod(
                configuration.control.istiod.workloads, on: configuration.node, in: configuration.mesh.clusterName),
            standing: .client(account), certificates: ControlCertificates(host: host, roots: roots, mark: "istiod"), member: nil)
        certificates.impersonates = { [unowned account] in account.impersonates($0) }
        certificates.words = { [unowned account] in account.words($0, for: $1) }
        certificates.onRoots = { [weak self] in self?.adopt($0) }
    }

    private init(
        host: any ControlHost, dialler: any ControlDialler, offer: ControlOffer, standing: ControlStanding,
        certificates: ControlCertificates, member: Member?
    ) {
        self.host = host
        self.certificates = certificates
        self.member = member
        account = if case .client(let account) = standing { account } else { nil }
        directory = NodeDirectory(path: host.configuration.control.directory)
        mesh = ControlMesh(host: host, offer: offer)
        keeper = ControlKeeper(host: host, dialler: dialler, mesh: mesh, standing: standing)
        certificates.link = { [weak keeper] in keeper?.link }
        certificates.whyNoLink = { [weak self] in self?.whyNoLink ?? "" }
    }

    func start() { keeper.start() }

    /// There is a connection: what waited for one goes on.
    func linkArrived() {
        certificates.linkArrived()
        member?.reporter.linkArrived()
        member?.identity.renewIfDue()
    }

    /// Somebody changed files of this host, or asks for another attempt.
    func reload() {
        member?.identity.reload()
        keeper.tryNow()
    }

    /// Roots that came with a workload's certificate from istiod, which are other ones than before.
    private func adopt(_ roots: [Certificate]) {
        let (directory, log) = (directory, host.log.scoped(.identity))
        log.info("\(roots.count) root\(roots.count == 1 ? " is" : "s are") trusted now")
        host.rootsChanged()
        host.work { () -> Errno? in
            do throws(Errno) {
                try directory.save(roots: roots)
                return nil
            } catch { return error }
        } then: { failure in
            if let failure { log.error("\(directory.path)/roots.pem can't be written: \(failure)") }
        }
    }

    private func changed(_ credential: NodeCredential) {
        let isOtherHost = keeper.credential?.keyDigest != credential.keyDigest
        keeper.use(credential)
        let isOtherTrust = Set(certificates.roots) != Set(credential.roots)
        certificates.use(credential)
        // Certificates from before it joined anew may be refused by all.
        if isOtherHost || isOtherTrust || Set(rootsInUse) != Set(credential.roots) {
            rootsInUse = credential.roots
            host.rootsChanged()
        }
    }

    private lazy var rootsInUse: [Certificate] = keeper.credential?.roots ?? []

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
        if let member {
            info.identity = member.identity.credential.identity.description
            info.certificateEnds = WallTime(seconds: member.identity.credential.notAfter)
            info.renewalFailure = member.identity.failure
            info.reportFailure = member.reporter.failure
        }
        if let account {
            info.kind = .istiod
            info.identity = account.claims?.account ?? ""
            info.tokenEnds = account.claims?.expires
            info.tokenFailure = account.failure
            info.misfits = mesh.misfits.map { ($0.name, $0.reason) }
        }
        return info
    }
}
