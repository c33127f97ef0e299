// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import ResourceAPI
internal import Store
internal import TLS

/// What a host has that became or stays a member.
struct Membership: Sendable {
    let issued: IssuedCertificate
    /// Of the store, with the host's object as it is now.
    let revision: UInt64
}

/// Why a host doesn't become or stay a member.
struct JoinRefusal: Error, Sendable {
    /// What it is told.
    let status: APIStatus
    /// What the audit line says; more than the host is told where that would help a stranger.
    let reason: String
    /// What it is counted as.
    let kind: Refusal.Reason
    /// It counts as a failed attempt to say who asks.
    var isAttempt: Bool { kind == .token }

    init(_ kind: Refusal.Reason, _ status: APIStatus, _ reason: String? = nil) {
        self.kind = kind
        self.status = status
        self.reason = reason ?? status.message
    }
}

/// Makes hosts members, once for each token, and renews their certificates. What a certificate depends on is changed in one commit with conditions,
/// so of two who race one wins on any store (I23). A value; everything blocks: run as errands.
struct NodeDesk: Sendable {
    private let store: any Store
    private let authority: Authority
    /// How often it is tried again when others change the same at the same time: a host reports its state, an admin labels it.
    private static let attempts = 8

    init(store: any Store, authority: Authority) {
        self.store = store
        self.authority = authority
    }

    /// A new certificate for the host's key, and the `Node` object, against a token. A host that didn't hear the answer may ask again with the same
    /// key.
    func join(_ request: JoinRequest, now: Int64) -> Result<Membership, JoinRefusal> {
        retrying { () throws(Trouble) in
            let (record, revision) = try recognise(request.token, now: now)
            let key = try key(request.csr, of: request.node)
            let before = try node(request.node)
            let isRepeated = record.redemption.map { $0.node == request.node && $0.key == key.fingerprint.description }
            let isTaken = if before == nil { try isNameOfToken(request.node, now: now) } else { true }
            try judge(record, request.node, before?.record, isTaken: isTaken, isRepeated: isRepeated)
            let issued = try issue(request.node, key, now: now)
            let after =
                if isRepeated == true, let before {
                    before.record.renewed(version: request.version, certificate: issued.leaf)
                } else {
                    NodeRecord.joining(
                        request.node, version: request.version, certificate: issued.leaf, now: now, before: before?.record)
                }
            var used = record
            used.redemption = used.redemption ?? .init(node: request.node, key: key.fingerprint.description, time: now)
            let place = NodeRecord.key(request.node)
            let written = try commit(
                StoreTransaction(
                    conditions: [
                        .init(record.key, revision: revision), .init(place, revision: before?.revision),
                    ], writes: [.put(used.key, used.json.jsonBytes), .put(place, after.text)]), certificate: issued.leaf,
                of: request.node)
            return Membership(issued: issued.certificate, revision: written)
        }
    }

    /// The next certificate of a member that showed the one that it has.
    func renew(_ name: String, _ request: RenewRequest, now: Int64) -> Result<Membership, JoinRefusal> {
        retrying { () throws(Trouble) in
            let key = try key(request.csr, of: name)
            guard let before = try node(name), !before.record.isEvicted else {
                throw .refused(JoinRefusal(.evicted, APIStatus(.forbidden, "host \(name) is no member of the mesh any more")))
            }
            let issued = try issue(name, key, now: now)
            let after = before.record.renewed(version: request.version, certificate: issued.leaf)
            let place = NodeRecord.key(name)
            let written = try commit(
                StoreTransaction(
                    conditions: [.init(place, revision: before.revision)], writes: [.put(place, after.text)]),
                certificate: issued.leaf, of: name)
            return Membership(issued: issued.certificate, revision: written)
        }
    }

    // MARK: - Steps

    private enum Trouble: Error {
        case refused(JoinRefusal)
        /// Somebody was faster: look again.
        case changed
    }

    private func retrying(
        _ body: () throws(Trouble) -> Membership
    ) -> Result<Membership, JoinRefusal> {
        for _ in 0..<Self.attempts {
            do throws(Trouble) {
                return .success(try body())
            } catch {
                if case .refused(let refusal) = error { return .failure(refusal) }
            }
        }
        return .failure(JoinRefusal(.busy, APIStatus(.conflict, "this host was changed by others again and again: try again")))
    }

    /// The token's record, if it is ours, a join token and not expired. A stranger isn't told which of these it isn't.
    private func recognise(_ text: String, now: Int64) throws(Trouble) -> (record: TokenRecord, revision: UInt64) {
        let refuse = { (reason: String) in
            Trouble.refused(
                JoinRefusal(
                    .token,
                    APIStatus(
                        .unauthorized,
                        "the token isn't valid: it is wrong, expired, revoked or used; `warren token create` makes another"),
                    reason))
        }
        guard let token = AccessToken(text), token.kind == .join else { throw refuse("no join token") }
        guard let stored = try read(StoreKey(TokenRecord.resource, token.id)),
            let record = TokenRecord(id: token.id, stored: stored.value)
        else { throw refuse("token \(token.id) is unknown") }
        guard record.matches(token) else { throw refuse("token \(token.id) with a wrong secret") }
        guard record.expires > now else { throw refuse("token \(token.id) expired at \(timestamp(record.expires))") }
        return (record, stored.revision)
    }

    private func judge(
        _ record: TokenRecord, _ name: String, _ before: NodeRecord?, isTaken: Bool, isRepeated: Bool?
    ) throws(Trouble) {
        if let used = record.redemption, isRepeated != true || before == nil {
            throw .refused(
                JoinRefusal(
                    .token,
                    APIStatus(
                        .unauthorized,
                        "the token isn't valid: it is wrong, expired, revoked or used; `warren token create` makes another"),
                    "token \(record.id) was used by host \(used.node) at \(timestamp(used.time))"))
        }
        if let bound = record.node, bound != name {
            throw .refused(
                JoinRefusal(
                    .otherNode, APIStatus(.forbidden, "this token is for another host"), "token \(record.id) is for host \(bound)"
                ))
        }
        if before?.isEvicted == true {
            throw .refused(
                JoinRefusal(.evicted, APIStatus(.forbidden, "host \(name) was evicted: an admin must let it in again first")))
        }
        guard !isTaken || isRepeated == true || record.node == name else {
            throw .refused(
                JoinRefusal(
                    .nameTaken,
                    APIStatus(
                        .conflict,
                        "there is a host \(name) already: choose another name, or take a token from `warren token create --node \(name)`"
                    )))
        }
    }

    private func key(_ csr: [UInt8], of name: String) throws(Trouble) -> PublicKey {
        guard let identity = NodeIdentity(trustDomain: authority.trustDomain, name: name) else {
            throw .refused(
                JoinRefusal(
                    .badRequest,
                    APIStatus(.badRequest, "this is no name of a host: write lower-case letters, digits, `-` and `.`")))
        }
        let request: SigningRequest
        do throws(CertificateFailure) {
            request = try SigningRequest(pem: csr)
        } catch {
            throw .refused(JoinRefusal(.badRequest, APIStatus(.badRequest, "the certificate request isn't taken: \(error)")))
        }
        guard request.name == .node(identity) else {
            throw .refused(
                JoinRefusal(
                    .mismatch, APIStatus(.forbidden, "the certificate request is for \(request.name), not for \(identity)")))
        }
        return request.publicKey
    }

    private func issue(
        _ name: String, _ key: PublicKey, now: Int64
    ) throws(Trouble) -> (certificate: IssuedCertificate, leaf: Certificate) {
        let failure: String
        do throws(AuthorityFailure) {
            guard let identity = NodeIdentity(trustDomain: authority.trustDomain, name: name) else {
                throw AuthorityFailure("no name")
            }
            let issued = try authority.issue(.node(identity), publicKey: key, now: now)
            if let leaf = issued.leaf { return (issued, leaf) }
            failure = "nothing was signed"
        } catch { failure = error.description }
        throw .refused(JoinRefusal(.authority, APIStatus(.internalError, "the authority can't sign: \(failure)")))
    }

    // MARK: - Store

    private func node(_ name: String) throws(Trouble) -> (record: NodeRecord, revision: UInt64)? {
        guard let stored = try read(NodeRecord.key(name)) else { return nil }
        guard let record = NodeRecord(stored.value) else {
            throw .refused(JoinRefusal(.store, APIStatus(.internalError, "the object of host \(name) is damaged: delete it")))
        }
        return (record, stored.revision)
    }

    private func read(_ key: StoreKey) throws(Trouble) -> StoredObject? {
        do throws(StoreFailure) { return try store.get(key) } catch { throw .refused(JoinRefusal(.store, error.status)) }
    }

    /// A store that doesn't answer may have done it all the same: then the host's object names the certificate.
    private func commit(
        _ transaction: StoreTransaction, certificate: Certificate, of name: String
    ) throws(Trouble) -> UInt64 {
        do throws(StoreFailure) {
            return try store.commit(transaction)
        } catch {
            switch error {
            case .conflict: throw .changed
            case .unavailable:
                if let node = try node(name), node.record.serial == certificate.serial { return node.revision }
                throw .refused(JoinRefusal(.store, error.status))
            case .compacted, .unusable: throw .refused(JoinRefusal(.store, error.status))
            }
        }
    }

    /// A name that a ztunnel has by its token is no free name, though there is no object of it.
    private func isNameOfToken(_ name: String, now: Int64) throws(Trouble) -> Bool {
        do throws(StoreFailure) {
            return try store.list(TokenRecord.resource, namespace: nil).objects.contains { object in
                let record = TokenRecord(id: object.key.name, stored: object.value)
                return record?.role == .node(name) && record.map { $0.expires > now } == true
            }
        } catch { throw .refused(JoinRefusal(.store, error.status)) }
    }
}
