// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// Chains and bundles in PEM.
extension Certificate {
    /// No file of certificates that we read is larger.
    package static let maximumFile = 1024 * 1024
    /// A chain has a leaf, an intermediate or two, a root.
    package static let maximumChain = 16
    /// How many roots a trust bundle may have; Istio in rotation has two.
    package static let maximumRoots = 100

    /// A chain as it stands in the text, leaf first. At least one certificate, at most 16.
    package static func chain(pem: [UInt8]) throws(CertificateFailure) -> [Certificate] {
        try certificates(pem: pem, limit: maximumChain)
    }

    /// A trust bundle. At least one certificate, at most 100.
    package static func roots(pem: [UInt8]) throws(CertificateFailure) -> [Certificate] {
        try certificates(pem: pem, limit: maximumRoots)
    }

    private static func certificates(pem: [UInt8], limit: Int) throws(CertificateFailure) -> [Certificate] {
        guard pem.count <= maximumFile else { throw .tooLarge(limit: maximumFile) }
        OpenSSLErrors.clear()
        defer { OpenSSLErrors.clear() }
        let source = MemoryBIO(pem)
        var certificates: [Certificate] = []
        while let next = try read(from: source) {
            guard certificates.count < limit else { throw .tooMany(limit: limit) }
            certificates.append(next)
        }
        guard !certificates.isEmpty else { throw .missing("PEM certificate") }
        return certificates
    }

    /// The next one; nil at the end.
    private static func read(from source: borrowing MemoryBIO) throws(CertificateFailure) -> Certificate? {
        // What stands between certificates is skipped, keys too: files that hold both are common.
        guard let handle = unsafe PEM_read_bio_X509(source.handle, nil, nil, nil) else {
            guard let code = OpenSSLErrors.first else { return nil }
            if copenssl_error_library(code) == ERR_LIB_PEM, copenssl_error_reason(code) == PEM_R_NO_START_LINE { return nil }
            throw .malformed("a PEM certificate can't be read: \(OpenSSLErrors.take())")
        }
        return try unsafe Certificate(takingOwnership: handle)
    }

    /// One PEM block.
    package var pem: [UInt8] {
        let target = MemoryBIO()
        unsafe require(PEM_write_bio_X509(target.handle, handle), "a certificate couldn't be written")
        return target.bytes()
    }
}

extension [Certificate] {
    /// One after the other.
    package var pem: [UInt8] { flatMap(\.pem) }
}
