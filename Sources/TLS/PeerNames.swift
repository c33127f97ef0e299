// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// What to call a peer's certificate in a sentence, before or without trust in it. Printable and short.
enum PeerNames {
    /// Shares the certificate. Nil when its dates or extensions are unreadable.
    static func certificate(_ handle: OpaquePointer?) -> Certificate? {
        guard let handle = unsafe handle, unsafe X509_up_ref(handle) == 1 else { return nil }
        return try? unsafe Certificate(takingOwnership: handle)
    }

    /// Its URI names, or its subject where it has none.
    static func name(of handle: OpaquePointer) -> String {
        guard case .found(let names) = unsafe URINames(handle), !names.isEmpty else { return unsafe subject(of: handle) }
        return printable(Array(names.prefix(4).joined(separator: [0x20])))
    }

    static func subject(of handle: OpaquePointer) -> String {
        guard let certificate = unsafe certificate(handle) else { return "unreadable certificate" }
        let subject = certificate.subject
        return subject.isEmpty ? "no name, serial \(certificate.serial)" : subject
    }

    static func issuer(of handle: OpaquePointer) -> String { unsafe certificate(handle)?.issuer ?? "unknown" }

    /// What OpenSSL says of a failed chain, and at which authority.
    static func sentence(_ code: Int32, _ culprit: OpaquePointer?) -> String {
        let text = unsafe X509_verify_cert_error_string(Int(code)).map { unsafe String(cString: $0) } ?? "error \(code)"
        guard let culprit = unsafe culprit else { return text }
        return "\(text), at \(unsafe subject(of: culprit))"
    }
}
