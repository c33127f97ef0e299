// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import COpenSSL

extension PeerVerification {
    /// A client of a service showed a certificate: its chain must lead to our roots. What it entitles to is for the application to say.
    static func judgeClient(_ store: OpaquePointer, _ session: TLSSession) throws(TLSFailure) -> [Certificate] {
        guard let leaf = unsafe X509_STORE_CTX_get0_cert(store) else { throw .noCertificate }
        return try unsafe verifiedChain(store, session, leaf)
    }

    /// The service that we called: of our roots, or of the one root that we know by its digest, and the one that we meant.
    static func judgeService(
        _ store: OpaquePointer, _ session: TLSSession, _ check: ServiceCheck
    ) throws(TLSFailure) -> [Certificate] {
        guard let leaf = unsafe X509_STORE_CTX_get0_cert(store) else { throw .noCertificate }
        if case .root(let digest) = check { try unsafe trust(digest, store, leaf) }
        let chain = try unsafe verifiedChain(store, session, leaf)
        switch check {
        case .root(let digest):
            guard chain.last?.fingerprint == digest else {
                throw .unknownAuthority(name: unsafe PeerNames.name(of: leaf), issuer: unsafe PeerNames.issuer(of: leaf))
            }
        case .identity(let expected):
            let identity = try unsafe identity(of: leaf)
            guard identity == expected else { throw .unexpectedIdentity(identity, expected: expected.description) }
        case .host(let name):
            let isNamed =
                IPAddress(name) != nil
                ? unsafe X509_check_ip_asc(leaf, name, 0) == 1 : unsafe X509_check_host(leaf, name, 0, 0, nil) == 1
            guard isNamed else {
                throw .invalidChain(name: unsafe PeerNames.name(of: leaf), why: "it doesn't name \(name), which was called")
            }
        }
        return chain
    }

    private static func verifiedChain(
        _ store: OpaquePointer, _ session: TLSSession, _ leaf: OpaquePointer
    ) throws(TLSFailure) -> [Certificate] {
        if let now = session.now, let time = Int(exactly: now) { unsafe X509_STORE_CTX_set_time(store, 0, time) }
        let isValid = unsafe X509_verify_cert(store) == 1
        if isValid || (unsafe X509_STORE_CTX_get_error(store)) == X509_V_ERR_INVALID_PURPOSE {
            try unsafe checkUse(of: leaf, by: session.context.role == .client ? .serverAuth : .clientAuth)
        }
        guard isValid else { throw unsafe chainFailure(store, leaf, now: session.now ?? copenssl_wall_time()) }
        let chain = unsafe X509_STORE_CTX_get0_chain(store)
        return (0..<(unsafe copenssl_chain_count(chain))).compactMap { index in
            unsafe PeerNames.certificate(copenssl_chain_at(chain, index))
        }
    }

    /// Among what the service sent, the root that we were told of: it becomes the one that is trusted. The store is that of a context made for this
    /// call.
    private static func trust(_ digest: Fingerprint, _ store: OpaquePointer, _ leaf: OpaquePointer) throws(TLSFailure) {
        let sent = unsafe X509_STORE_CTX_get0_untrusted(store)
        for index in 0..<(unsafe copenssl_chain_count(sent)) {
            guard let certificate = unsafe PeerNames.certificate(copenssl_chain_at(sent, index)), certificate.isCA,
                certificate.fingerprint == digest
            else { continue }
            unsafe require(
                X509_STORE_add_cert(X509_STORE_CTX_get0_store(store), certificate.handle), "no memory for a root")
            return
        }
        throw .unknownAuthority(name: unsafe PeerNames.name(of: leaf), issuer: unsafe PeerNames.issuer(of: leaf))
    }
}
