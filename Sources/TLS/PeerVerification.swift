// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import COpenSSL

/// The judgement on a peer's certificate, in place of OpenSSL's own: its check of the chain, and then what SPIFFE and the mesh ask for.
///
/// Runs inside the handshake, so that a refused peer gets the alert that fits, and never speaks a byte of HTTP/2.
enum PeerVerification {
    /// From OpenSSL: 1 accepts, 0 refuses with the alert of the error that is set.
    static func run(_ store: OpaquePointer?) -> Int32 {
        guard let store = unsafe store,
            let ssl = unsafe X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let session = unsafe TLSSession.owner(of: OpaquePointer(ssl))
        else { return 0 }
        do throws(TLSFailure) {
            switch session.context.rules {
            case .tunnel: session.peer = try unsafe judge(store, session)
            case .service: session.peerCertificates = try unsafe judgeClient(store, session)
            case .caller(let check, _): session.peerCertificates = try unsafe judgeService(store, session, check)
            }
            return 1
        } catch {
            session.verdict = error
            if let code = error.verificationError { unsafe X509_STORE_CTX_set_error(store, code) }
            return 0
        }
    }

    private static func judge(_ store: OpaquePointer, _ session: TLSSession) throws(TLSFailure) -> PeerCertificate {
        guard let leaf = unsafe X509_STORE_CTX_get0_cert(store) else { throw .noCertificate }
        if let now = session.now, let time = Int(exactly: now) { unsafe X509_STORE_CTX_set_time(store, 0, time) }
        let isValid = unsafe X509_verify_cert(store) == 1
        // OpenSSL refuses a wrong use too, but with one error for all kinds.
        if isValid || (unsafe X509_STORE_CTX_get_error(store)) == X509_V_ERR_INVALID_PURPOSE {
            try unsafe checkUse(of: leaf, by: session.context.role == .client ? .serverAuth : .clientAuth)
        }
        guard isValid else { throw unsafe chainFailure(store, leaf, now: session.now ?? copenssl_wall_time()) }
        let identity = try unsafe identity(of: leaf)
        try session.checkIdentity(identity)
        return try unsafe peer(identity, chain: X509_STORE_CTX_get0_chain(store))
    }

    static func chainFailure(_ store: OpaquePointer, _ leaf: OpaquePointer, now: Int64) -> TLSFailure {
        let code = unsafe X509_STORE_CTX_get_error(store)
        let culprit = unsafe X509_STORE_CTX_get_error_depth(store) > 0 ? X509_STORE_CTX_get_current_cert(store) : nil
        let name = unsafe PeerNames.name(of: leaf)
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID:
            if let culprit = unsafe culprit { return .issuerNotValid(subject: unsafe PeerNames.subject(of: culprit)) }
            if code == X509_V_ERR_CERT_HAS_EXPIRED {
                let end = unsafe ASN1Time.seconds(X509_get0_notAfter(leaf)) ?? now
                return .certificateExpired(name: name, ago: max(now - end, 0))
            }
            let begin = unsafe ASN1Time.seconds(X509_get0_notBefore(leaf)) ?? now
            return .certificateNotYetValid(name: name, ahead: max(begin - now, 0))
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
            return .unknownAuthority(name: name, issuer: unsafe PeerNames.issuer(of: leaf))
        default:
            return .invalidChain(name: name, why: unsafe PeerNames.sentence(code, culprit))
        }
    }

    /// SPIFFE X509-SVID §5.2 and the two usages: no authority, signatures allowed, and this end of a connection.
    static func checkUse(of leaf: OpaquePointer, by purpose: CertificateProfile.Purpose) throws(TLSFailure) {
        if unsafe X509_get_extension_flags(leaf) & UInt32(EXFLAG_CA) != 0 {
            throw .certificateIsAuthority(name: unsafe PeerNames.name(of: leaf))
        }
        // All bits are set where there is no extension. Then nothing is forbidden, and nothing is claimed either.
        let usage = unsafe X509_get_key_usage(leaf)
        let forbidden = UInt32(KU_KEY_CERT_SIGN | KU_CRL_SIGN)
        if usage & UInt32(KU_DIGITAL_SIGNATURE) == 0 || (usage != .max && usage & forbidden != 0) {
            throw .wrongKeyUsage(name: unsafe PeerNames.name(of: leaf))
        }
        let wanted = purpose == .serverAuth ? UInt32(XKU_SSL_SERVER) : UInt32(XKU_SSL_CLIENT)
        if unsafe X509_get_extended_key_usage(leaf) & wanted == 0 {
            throw .wrongPurpose(name: unsafe PeerNames.name(of: leaf), missing: purpose)
        }
    }

    /// Exactly one URI name, and that a SPIFFE ID of the exact form.
    static func identity(of leaf: OpaquePointer) throws(TLSFailure) -> SPIFFEID {
        guard case .found(let names) = unsafe URINames(leaf) else { throw .malformedIdentity(name: "unreadable subjectAltName") }
        guard let name = names.first else { throw .noIdentity(subject: unsafe PeerNames.subject(of: leaf)) }
        guard names.count == 1 else {
            throw .severalIdentities(names: printable(Array(names.prefix(4).joined(separator: [0x20]))))
        }
        guard let identity = URINames.spiffeID(name) else { throw .malformedIdentity(name: printable(name)) }
        return identity
    }

    private static func peer(_ identity: SPIFFEID, chain: OpaquePointer?) throws(TLSFailure) -> PeerCertificate {
        var end = Int64.max
        for index in 0..<(unsafe copenssl_chain_count(chain)) {
            guard let notAfter = unsafe ASN1Time.seconds(X509_get0_notAfter(copenssl_chain_at(chain, index))) else { continue }
            end = min(end, notAfter)
        }
        let last = unsafe copenssl_chain_at(chain, copenssl_chain_count(chain) - 1)
        guard let leaf = unsafe PeerNames.certificate(copenssl_chain_at(chain, 0)), let root = unsafe PeerNames.certificate(last)
        else {
            throw .invalidChain(name: identity.description, why: "a certificate with unreadable dates or extensions")
        }
        return PeerCertificate(identity: identity, notAfter: end, serial: leaf.serial, root: root.fingerprint)
    }
}

extension TLSFailure {
    /// The error that makes OpenSSL send the alert that fits; nil where OpenSSL found it and the error stands already.
    fileprivate var verificationError: Int32? {
        switch self {
        case .wrongKeyUsage, .wrongPurpose: X509_V_ERR_INVALID_PURPOSE
        case .certificateIsAuthority, .noIdentity, .severalIdentities, .malformedIdentity, .foreignTrustDomain,
            .unexpectedIdentity, .noExpectedIdentity, .noCertificate, .wrongSignature:
            X509_V_ERR_CERT_REJECTED
        case .certificateExpired, .certificateNotYetValid, .issuerNotValid, .unknownAuthority, .invalidChain, .notTLS,
            .protocolVersion, .noCommonAlgorithm, .noApplicationProtocol, .protocolViolation, .badRecord, .tooMuch, .alert,
            .closedInHandshake, .truncated, .other:
            nil
        }
    }
}
