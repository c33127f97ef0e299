// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
package import ResourceAPI
package import TLS
package import Transport

/// Finds out who asks: root over the Unix socket, the owner of a bearer token, or a host by its certificate. A token, where one is sent, decides
/// alone. Everything is looked up in memory: no request waits for it. On the loop of the API.
package final class Authenticator {
    private let book: AccessBook
    private let audit: Audit
    private let trustDomain: String
    private let now: () -> Int64
    /// Of joins too.
    package var limiter = AttemptLimiter()

    package init(
        book: AccessBook, trustDomain: String, audit: Audit, now: @escaping () -> Int64 = { WallTime.now().seconds }
    ) {
        self.book = book
        self.trustDomain = trustDomain
        self.audit = audit
        self.now = now
    }

    /// - Throws: `Unauthorized`, `Forbidden` for local users, `TooManyRequests` for an address that was wrong too often, or `ServiceUnavailable`
    ///   before the store was read: who is told that it isn't known may believe it.
    package func principal(for head: HTTPRequestHead, peer: HTTPPeer) throws(APIStatus) -> Principal {
        let authorizations = head.headers.values("authorization")
        if !authorizations.isEmpty {
            guard authorizations.count == 1, let token = Self.bearer(authorizations[0]) else {
                throw refuse(
                    peer, "an authorization that is no bearer token of ours",
                    "the Authorization header holds no token of this control plane")
            }
            return try owner(of: token, peer)
        }
        if let process = peer.process { return try local(process, peer) }
        guard let leaf = peer.certificates.first else {
            throw refuse(
                peer, "nothing shown",
                "who asks isn't known: send a token (`warren token create` makes one) or a host's certificate",
                isAttempt: false)
        }
        return try host(leaf, peer)
    }

    /// A certificate was shown that isn't taken, so that no request came.
    package func noteStranger(_ peer: HTTPPeer, _ failure: TLSFailure) {
        _ = limiter.failed(peer.address?.ip, now: Instant.now())
        audit.refused(
            at: .authentication, "authentication", "connection", by: "unknown", asker: peer.origin, from: peer.place,
            failure.description)
    }

    /// How a gRPC call ends whose caller isn't known.
    package static func status(_ failure: APIStatus) -> GRPCStatus {
        let code: GRPCStatus.Code =
            switch failure.reason {
            case .tooManyRequests: .resourceExhausted
            case .unavailable: .unavailable
            case _: .unauthenticated
            }
        return GRPCStatus(code, failure.message)
    }

    private static func bearer(_ text: String) -> AccessToken? {
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count == 2, words[0].lowercased() == "bearer", let token = AccessToken(String(words[1])),
            token.kind == .bearer
        else { return nil }
        return token
    }

    private func owner(of token: AccessToken, _ peer: HTTPPeer) throws(APIStatus) -> Principal {
        try checkLoaded()
        let why: String
        if let record = book.token(token.id) {
            if !record.matches(token) {
                why = "token \(token.id) with a wrong secret"
            } else if record.expires <= now() {
                why = "token \(token.id) expired at \(timestamp(record.expires))"
            } else if let principal = record.principal {
                guard case .node(let name) = principal.role else { return principal }
                if book.isTurnedOut(name) {
                    why = "token \(token.id) of host \(name), which is evicted"
                } else {
                    return principal
                }
            } else {
                why = "token \(token.id) isn't one for requests"
            }
        } else {
            why = "token \(token.id) is unknown"
        }
        throw refuse(peer, why, "the token isn't valid: it is wrong, expired or revoked")
    }

    private func local(_ process: HTTPPeer.Process, _ peer: HTTPPeer) throws(APIStatus) -> Principal {
        guard process.user == 0 else {
            audit.refused(
                at: .authentication, "authentication", "socket", by: "uid \(process.user)", from: peer.place, "not root")
            throw APIStatus(
                .forbidden,
                "the socket of the control plane is root's: use sudo, or send a token (`warren token create` makes one)")
        }
        return Principal(name: "root", role: .admin)
    }

    /// The transport has verified the chain and that the client has the key; not what the certificate is for.
    private func host(_ leaf: Certificate, _ peer: HTTPPeer) throws(APIStatus) -> Principal {
        let stranger = "this certificate isn't taken here: the control plane knows hosts by their node certificates"
        guard case .node(let identity) = leaf.certifiedName else {
            throw refuse(peer, "a certificate of \(leaf.uriSANs.joined(separator: " ")), which is no host's", stranger)
        }
        guard leaf.serves(as: .clientAuth), identity.trustDomain == trustDomain else {
            throw refuse(peer, "a certificate of \(identity) for another trust domain or purpose", stranger)
        }
        guard leaf.isValid(at: now()) else {
            throw refuse(
                peer, "the certificate of \(identity) isn't valid at this time",
                "the certificate of host \(identity.name) has expired")
        }
        try checkLoaded()
        guard let node = book.node(identity.name), !book.isTurnedOut(identity.name), node.accepts(leaf) else {
            throw refuse(
                peer, "host \(identity.name) is evicted, deleted or joined anew since",
                "host \(identity.name) is no member of the mesh any more: `warren token create --node \(identity.name)` lets it join again"
            )
        }
        return Principal(name: "node:\(identity.name)", role: .node(identity.name), until: leaf.notAfter)
    }

    private func checkLoaded() throws(APIStatus) {
        guard book.isLoaded else { throw APIStatus(.unavailable, "the control plane is reading its store: try again") }
    }

    private func refuse(_ peer: HTTPPeer, _ why: String, _ said: String, isAttempt: Bool = true) -> APIStatus {
        audit.refused(
            at: .authentication, "authentication", "request", by: "unknown", asker: peer.origin, from: peer.place, why)
        guard !isAttempt || limiter.failed(peer.address?.ip, now: Instant.now()) else {
            return APIStatus(.tooManyRequests, "too many requests from here failed to say who asks: wait some seconds")
        }
        return APIStatus(.unauthorized, said)
    }
}
