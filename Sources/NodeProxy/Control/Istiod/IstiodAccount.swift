// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Discovery
internal import HTTP
internal import Kernel
internal import TLS
internal import Transport

/// This host as istiod knows it: a service account, by a token that somebody else renews; and how istiod proves itself. On the node's loop, as long
/// as the node; files are read by errands, anew for each connection and each call.
final class IstiodAccount {
    private unowned let host: any ControlHost
    /// What the token said of itself when it was read last.
    private(set) var claims: ServiceAccountToken.Claims?
    /// Why it can't be used; nil if it can, as far as we see.
    private(set) var failure: String?

    init(host: any ControlHost) { self.host = host }

    private var settings: IstiodSettings { host.configuration.control.istiod }

    // MARK: - A connection

    /// What the next connection to an address is made with.
    func access(to address: ControlAddress, then: @escaping (Result<ControlAccess, ControlFailure>) -> Void) {
        let settings = settings
        host.work {
            (ServiceAccountToken.reading(settings.token), IstiodRoots.read(settings.roots))
        } then: { [weak self] token, roots in
            guard let self else { return }
            note(token)
            then(token.flatMap { _ in roots }.map { self.access(to: address, roots: $0) })
        }
    }

    private func access(to address: ControlAddress, roots: [Certificate]) -> ControlAccess {
        let name = settings.serverName.isEmpty ? address.host : settings.serverName
        return ControlAccess(
            shown: nil, roots: roots, check: .host(name), node: node, metadata: { [weak self] in self?.metadata($0) })
    }

    /// As a ztunnel calls itself. istiod compares the namespace with the token's, and wants an address, which ztunnel without one of its own makes up
    /// too.
    private var node: DiscoveryNode {
        let (configuration, namespace) = (host.configuration, claims?.namespace ?? host.configuration.mesh.rootNamespace)
        let name = claims?.pod ?? configuration.node
        return DiscoveryNode(
            id: "ztunnel~1.1.1.1~\(name).\(namespace)~\(namespace).svc.\(configuration.mesh.clusterDomain)",
            metadata: [
                ("NAME", name), ("NAMESPACE", namespace), ("NODE_NAME", claims?.node ?? configuration.node),
            ])
    }

    // MARK: - A call

    private func metadata(_ then: @escaping (Result<HTTPHeaders, ControlFailure>) -> Void) {
        let (path, cluster) = (settings.token, host.configuration.mesh.clusterName)
        host.work {
            ServiceAccountToken.reading(path)
        } then: { [weak self] token in
            self?.note(token)
            then(token.map { ["authorization": "Bearer \($0.text)", "clusterid": cluster] })
        }
    }

    private func note(_ token: Result<ServiceAccountToken, ControlFailure>) {
        switch token {
        case .success(let token): (claims, failure) = (token.claims, nil)
        case .failure(let reason): failure = reason.description
        }
    }

    /// Whose certificate is asked for in its own name is no other's: istiod lets only few accounts ask for others', and only from pods.
    func impersonates(_ identity: SPIFFEID) -> Bool {
        guard let claims else { return true }
        return identity.trustDomain != host.configuration.mesh.trustDomain || identity.namespace != claims.namespace
            || identity.serviceAccount != claims.serviceAccount
    }

    // MARK: - Words

    /// What istiod says, and what it means for whoever has to mend it.
    func words(_ status: GRPCStatus, now: WallTime = .now()) -> String {
        let said = status.message.isEmpty ? "\(status.code)" : status.message
        guard status.code == .unauthenticated || status.code == .permissionDenied, failure == nil else { return said }
        guard let claims else { return "istiod refuses the token in \(settings.token): \(said)" }
        if let end = claims.expires, end <= now {
            return "istiod refuses the token of \(claims.account) in \(settings.token), which expired at \(end): \(said)"
        }
        return "istiod refuses the token of \(claims.account) in \(settings.token): \(said)"
    }

    /// Why a certificate for another account is refused: istiod doesn't say.
    func words(_ status: GRPCStatus, for identity: SPIFFEID) -> String {
        let words = words(status)
        guard let claims, status.code == .unauthenticated, failure == nil, impersonates(identity),
            claims.expires.map({ $0 > WallTime.now() }) ?? true
        else { return words }
        return words + ". An account may have certificates of its own, and of others only if istiod's CA_TRUSTED_NODE_ACCOUNTS"
            + " names it and such a pod runs on its node"
    }
}

extension ServiceAccountToken {
    /// Blocking.
    fileprivate static func reading(_ path: String) -> Result<ServiceAccountToken, ControlFailure> {
        do throws(Failure) { return .success(try read(path)) } catch { return .failure(ControlFailure(error.description)) }
    }
}

/// The roots of istiod's own certificate, and of the workloads' as long as no certificate came with others. Blocking; run as errands.
enum IstiodRoots {
    static func read(_ path: String) -> Result<[Certificate], ControlFailure> {
        let pem: [UInt8]
        do throws(Errno) {
            pem = try File.read(path, limit: Certificate.maximumFile)
        } catch { return .failure(ControlFailure("istiod's roots at \(path) can't be read: \(error)")) }
        do throws(CertificateFailure) {
            return .success(try Certificate.roots(pem: pem))
        } catch { return .failure(ControlFailure("\(path) holds no roots of istiod: \(error)")) }
    }
}
