// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import TLS

/// The certificate authority's files, and the clock, which they are measured against.
extension Checker {
    private static let day: Int64 = 86_400

    mutating func checkAuthority() {
        let paths = configuration.identity.ca
        let key = checkKey(paths.key)
        let chain = certificates("authority.certificate", paths.certificate) { bytes throws(CertificateFailure) in
            try Certificate.chain(pem: bytes)
        }
        let roots = certificates("authority.roots", paths.roots) { bytes throws(CertificateFailure) in
            try Certificate.roots(pem: bytes)
        }
        checkClock(chain + roots)
        for (name, path, all) in [("authority.certificate", paths.certificate, chain), ("authority.roots", paths.roots, roots)] {
            if let first = all.min(by: { $0.notAfter < $1.notAfter }) { checkDates(name, path, first) }
        }
        guard let key, !chain.isEmpty, !roots.isEmpty else { return }
        do throws(CertificateFailure) {
            _ = try CertificateAuthority(key: key, chain: chain, roots: roots)
            ok("authority", "key, certificate and roots belong together")
        } catch {
            fail(
                "authority", "the authority's files don't fit each other: \(error)",
                remedy: "Copy intermediate.pem, intermediate-key.pem and root.pem from one `warren ca init`.")
        }
    }

    /// The key, unless it isn't there or can't be read; one that others may read is told and used.
    private mutating func checkKey(_ path: String) -> PrivateKey? {
        guard let bytes = contents("authority.key", path) else { return nil }
        do throws(CertificateFailure) {
            let key = try PrivateKey(pem: bytes)
            let mode = (try? File.status(path).mode) ?? 0
            if mode & 0o077 != 0 {
                fail(
                    "authority.key", "\(path) may be used by others than its owner: its mode is 0\(String(mode, radix: 8))",
                    remedy: "chmod 600 \(path), and think about who may have read it.")
            } else {
                ok("authority.key", "\(path) is a key that its owner alone can read")
            }
            return key
        } catch {
            fail("authority.key", "\(path): \(error)", remedy: "Give it a PEM private key without passphrase.")
            return nil
        }
    }

    private mutating func certificates(
        _ name: String, _ path: String, _ read: ([UInt8]) throws(CertificateFailure) -> [Certificate]
    ) -> [Certificate] {
        guard let bytes = contents(name, path) else { return [] }
        do throws(CertificateFailure) {
            return try read(bytes)
        } catch {
            fail(name, "\(path): \(error)", remedy: "Give it PEM certificates, as `warren ca init` writes them.")
            return []
        }
    }

    private mutating func contents(_ name: String, _ path: String) -> [UInt8]? {
        do throws(Errno) {
            return try File.read(path, limit: 1 << 20)
        } catch {
            let remedy =
                error == .noSuchFile
                ? "Make an authority with `warren ca init`, or copy that of the mesh; or set identity.ca."
                : remedy(for: error, path)
            fail(name, error == .noSuchFile ? "\(path) isn't there" : "\(path) can't be read: \(error)", remedy: remedy)
            return nil
        }
    }

    private mutating func checkDates(_ name: String, _ path: String, _ certificate: Certificate) {
        let now = session.now().seconds
        let left = certificate.notAfter - now
        if left < 0 {
            fail(
                name,
                "\(path): \(certificate.subject) ended \(WallTime(seconds: certificate.notAfter)), and it is \(session.now()) here",
                remedy: "If the clock is right, make a new one and bring it to every host; if it isn't: timedatectl set-ntp true."
            )
        } else if left < 30 * Self.day {
            warn(
                name, "\(path): \(certificate.subject) ends in \(HumanText.age(Double(left)))",
                remedy: "Make a new one in time, and bring it to every host.")
        } else if now >= certificate.notBefore {
            ok(name, "\(path) is valid for another \(left / Self.day) days")
        }
    }

    /// A clock that is off shows in certificates that aren't valid yet, and in files from the future.
    private mutating func checkClock(_ certificates: [Certificate]) {
        let now = session.now()
        let remedy = "Set the clock, and keep it right: timedatectl set-ntp true."
        if let early = certificates.filter({ $0.notBefore > now.seconds }).max(by: { $0.notBefore < $1.notBefore }) {
            return fail(
                "clock",
                "it is \(now) here, but the certificate \(early.subject) begins only \(WallTime(seconds: early.notBefore)):"
                    + " this host's clock is behind, or the one's that made it was ahead",
                remedy: remedy)
        }
        let paths = [configuration.identity.ca.certificate, configuration.identity.ca.roots, configurationPath]
        for path in paths {
            guard let modified = try? File.status(path).modified, modified.seconds > now.seconds + 300 else { continue }
            return fail("clock", "it is \(now) here, but \(path) was written \(modified): the clock is behind", remedy: remedy)
        }
        ok("clock", "it is \(now), which fits the files")
    }
}
