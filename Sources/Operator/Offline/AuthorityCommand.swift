// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import TLS

/// `warren ca init`: a root and an intermediate for a mesh, as files.
enum AuthorityCommand {
    static let command = Command(
        "ca init", "Make a certificate authority: a root, and an intermediate that signs for this mesh.",
        detail:
            "Writes root.pem, root-key.pem, intermediate.pem and intermediate-key.pem; keys can be read by their owner"
            + " alone. What"
            + " is there is never overwritten.",
        options: [
            CommandOption("directory", short: "d", value: "PATH", "Where to write; \(standardDirectory) without a word."),
            CommandOption("trust-domain", value: "NAME", "The mesh's trust domain; cluster.local without a word."),
        ],
        examples: [
            ("sudo warren ca init", "For the first host of a mesh."),
            ("warren ca init -d ./ca --trust-domain corp.example", "Elsewhere, for another trust domain."),
        ], run: run)

    static let intermediate = Command(
        "ca intermediate", "Make a further intermediate under a root: for one more control plane of the mesh.",
        detail:
            "Writes root.pem, intermediate.pem and intermediate-key.pem: what authority.roots, authority.certificate and authority.key"
            + " of another replica name. What is there is never overwritten.",
        options: [
            CommandOption("root", value: "FILE", "The root's certificate."),
            CommandOption("root-key", value: "FILE", "The root's private key."),
            CommandOption("directory", short: "d", value: "PATH", "Where to write."),
            CommandOption("trust-domain", value: "NAME", "The mesh's trust domain; cluster.local without a word."),
        ],
        examples: [
            (
                "warren ca intermediate --root root-1.pem --root-key root-1.key -d ./replica-2",
                "From what the first replica made."
            )
        ], run: runIntermediate)

    static let standardDirectory = "/etc/warren/ca"

    /// What is written, in the order in which a half-done attempt does least harm.
    private struct Part {
        let name: String
        let bytes: [UInt8]
        let mode: UInt32
    }

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        let directory = invocation.value("directory") ?? standardDirectory
        let domain = invocation.value("trust-domain") ?? "cluster.local"
        guard SPIFFEID.isTrustDomain(domain) else {
            return session.usage("--trust-domain is `\(printable(domain, limit: 80))`, which is no trust domain")
        }
        let parts: [Part]
        do throws(CertificateFailure) {
            parts = try make(domain, now: session.now().seconds)
        } catch {
            return session.failed("no authority can be made: \(error)")
        }
        return write(parts, to: directory, session, next: next(directory, domain))
    }

    @Sendable private static func runIntermediate(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard let root = invocation.value("root"), let key = invocation.value("root-key"),
            let directory = invocation.value("directory")
        else { return session.usage("--root, --root-key and --directory are needed") }
        let domain = invocation.value("trust-domain") ?? "cluster.local"
        guard SPIFFEID.isTrustDomain(domain) else {
            return session.usage("--trust-domain is `\(printable(domain, limit: 80))`, which is no trust domain")
        }
        let parts: [Part]
        do {
            let chain = try Certificate.chain(pem: try File.read(root, limit: Certificate.maximumFile))
            let secret = try PrivateKey(pem: try File.read(key, limit: Certificate.maximumFile))
            let made = try CertificateAuthority(key: secret, chain: chain, roots: chain)
                .createIntermediate(trustDomain: domain, now: session.now().seconds)
            parts = [
                Part(name: "intermediate-key.pem", bytes: made.key.pem, mode: 0o600),
                Part(name: "intermediate.pem", bytes: made.certificate.pem, mode: 0o644),
                Part(name: "root.pem", bytes: chain.pem, mode: 0o644),
            ]
        } catch {
            return session.failed("no intermediate can be made of \(root) and \(key): \(error)")
        }
        return write(
            parts, to: directory, session,
            next: """
                Made an intermediate under \(root) in \(directory).

                Next: copy the three files to the other control plane, the key with mode 0600, and name them in its
                authority.certificate, authority.key and authority.roots.

                """)
    }

    private static func make(_ domain: String, now: Int64) throws(CertificateFailure) -> [Part] {
        let root = try CertificateAuthority.createRoot(trustDomain: domain, now: now)
        let intermediate = try root.createIntermediate(trustDomain: domain, now: now)
        return [
            Part(name: "root-key.pem", bytes: root.key.pem, mode: 0o600),
            Part(name: "root.pem", bytes: root.certificate.pem, mode: 0o644),
            Part(name: "intermediate-key.pem", bytes: intermediate.key.pem, mode: 0o600),
            Part(name: "intermediate.pem", bytes: intermediate.certificate.pem, mode: 0o644),
        ]
    }

    private static func write(
        _ parts: [Part], to directory: String, _ session: Session, next: String
    ) -> ExitCode {
        for part in parts {
            guard let _ = try? File.status("\(directory)/\(part.name)", followLink: false) else { continue }
            return session.failed(
                "\(directory)/\(part.name) is there already, and is not overwritten: workloads may trust it",
                remedy: "Move the old authority away first, or name another place with --directory.")
        }
        do throws(Errno) {
            try File.makeDirectory(directory, mode: 0o755)
            for part in parts { try File.replace("\(directory)/\(part.name)", with: part.bytes, mode: part.mode) }
        } catch {
            return session.failed(
                "\(directory) can't be written: \(error)", remedy: "Use sudo, or name another place with --directory.")
        }
        session.console.print(next)
        return .ok
    }

    private static func next(_ directory: String, _ domain: String) -> String {
        """
        Made an authority for the trust domain \(domain) in \(directory):
          root.pem              the root that every host of the mesh trusts, valid for 10 years
          root-key.pem          its key: needed only for a further intermediate
          intermediate.pem      what signs the workloads' certificates, valid for a year
          intermediate-key.pem  its key

        Next:
          1. Take root-key.pem off this host and keep it where nothing can reach it.
          2. Copy root.pem, intermediate.pem and intermediate-key.pem to \(directory) on every other host, keys with mode 0600.
          3. \(directory == standardDirectory ? "Start warrend on each." : "Name them in identity.ca of warrend.yaml, and"
              + " start warrend on each.")
          4. `warren check` tells whether everything fits.

        """
    }
}
