// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import TLS

/// Where an etcd cluster is, and how we show who we are.
package struct EtcdSettings: Hashable, Sendable {
    /// A member's client port.
    package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
        /// A DNS name, which its certificate has to carry, or an address.
        package let host: String
        package let port: UInt16

        package init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }

        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// PEM files. They are read again for each connection, so that renewed ones are taken.
    package struct Files: Hashable, Sendable {
        /// The authorities that the members' certificates lead to.
        package var authority: String
        /// Ours, with those between it and its authority behind it; empty: none is shown.
        package var certificate: String
        package var key: String

        package init(authority: String, certificate: String = "", key: String = "") {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }
    }

    /// One of etcd's own users.
    package struct Login: Hashable, Sendable {
        package var user: String
        /// Its first line is the password. Read for each login, so that a changed one is taken; it must be for its owner alone.
        package var passwordFile: String
        private static let limit = 4096

        package init(user: String, passwordFile: String) {
            self.user = user
            self.passwordFile = passwordFile
        }

        func password() throws(StoreFailure) -> String {
            let bytes: [UInt8]
            do throws(PrivateFile.Fault) { bytes = try PrivateFile.read(passwordFile, limit: Self.limit) } catch {
                throw .unusable("etcd: the password isn't taken: \(error.sentence(passwordFile))")
            }
            guard let line = String(validating: bytes.prefix { $0 != 0x0a }, as: UTF8.self), !line.isEmpty else {
                throw .unusable("etcd: \(passwordFile) doesn't begin with a line that is a password")
            }
            return line
        }
    }

    package var endpoints: [Endpoint]
    /// Everything of ours stands below it: `/warren`.
    package var prefix: String
    /// Nil: in clear, which only loopback addresses are worth.
    package var files: Files?
    /// Nil: who we are our certificate says, if etcd asks at all.
    package var login: Login?

    package init(endpoints: [Endpoint], prefix: String, files: Files?, login: Login? = nil) {
        self.login = login
        self.endpoints = endpoints
        self.prefix = prefix
        self.files = files
    }

    /// What is wrong with it, before anything is dialled.
    func check() throws(StoreFailure) {
        guard !endpoints.isEmpty, endpoints.count <= 32 else { throw .unusable("etcd: name one to 32 endpoints") }
        guard prefix.hasPrefix("/"), prefix.count > 1, !prefix.hasSuffix("/") else {
            throw .unusable("etcd: the prefix \"\(prefix)\" must begin with / and name something, as /warren does")
        }
        if files == nil, let far = endpoints.first(where: { IPAddress($0.host)?.isLoopback != true }) {
            throw .unusable("etcd at \(far): without TLS only loopback addresses are spoken to; give store.ca")
        }
        for endpoint in endpoints { _ = try context(for: endpoint) }
        _ = try login?.password()
    }

    /// Reads the files. Nil: in clear.
    func context(for endpoint: Endpoint) throws(StoreFailure) -> TLSContext? {
        guard let files else { return nil }
        do throws(CertificateFailure) {
            let roots = try Certificate.roots(pem: Self.read(files.authority))
            var shown: ShownCertificates?
            if !files.certificate.isEmpty {
                let chain = try Certificate.chain(pem: Self.read(files.certificate))
                shown = try ShownCertificates(key: try PrivateKey(pem: Self.read(files.key)), chain: chain)
            }
            return try TLSContext(caller: shown, roots: roots, check: .host(endpoint.host), protocols: ["h2"])
        } catch {
            let names = [files.authority, files.certificate, files.key].filter { !$0.isEmpty }.joined(separator: ", ")
            throw .unusable("etcd: the certificates in \(names) can't be used: \(error)")
        }
    }

    private static func read(_ path: String) throws(CertificateFailure) -> [UInt8] {
        do throws(Errno) {
            return try File.read(path, limit: Certificate.maximumFile)
        } catch {
            throw .missing("readable file \(path) (\(error))")
        }
    }
}
