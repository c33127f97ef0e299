// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// A control plane under a name, with the way to it: one entry of the operator's configuration, as of a kubeconfig.
struct Context: Hashable {
    var name: String
    /// `https://HOST:PORT` or `unix:///PATH`.
    var server = ""
    /// Roots in PEM. Empty: the fingerprint decides, or the server is a socket.
    var authority = ""
    /// The SHA-256 of the root.
    var fingerprint = ""
    var token = ""
    /// Files with a client's certificate and key.
    var certificateFile = ""
    var keyFile = ""
    /// The namespace of commands that name none.
    var namespace = ""

    init(name: String) { self.name = name }

    /// The fields in the order of the file. What is empty isn't written.
    private static let fields: [(key: String, place: any WritableKeyPath<Context, String> & Sendable)] = [
        ("server", \.server), ("certificateAuthority", \.authority), ("fingerprint", \.fingerprint), ("token", \.token),
        ("clientCertificate", \.certificateFile), ("clientKey", \.keyFile), ("namespace", \.namespace),
    ]

    init(_ fields: Fields) {
        name = fields.requiredString("name")
        for (key, place) in Self.fields { self[keyPath: place] = fields.string(key) ?? "" }
        if fields.has("server"), ControlEndpoint.place(server) == nil {
            fields.report(
                "server", "server is no address of a control plane", remedy: "Write https://HOST:15012 or unix:///PATH.")
        } else if !fields.has("server") {
            fields.report("server", "`server` is missing", remedy: "Add https://HOST:15012.")
        }
        fields.finish()
    }

    var value: Value {
        let rest = Self.fields.map { ($0.key, self[keyPath: $0.place].isEmpty ? nil : Value.string(self[keyPath: $0.place])) }
        return .object(present: [("name", .string(name))] + rest)
    }
}

/// The operator's own configuration: contexts, and which of them is in use. A value; reading and writing are pure.
struct ContextList: Hashable {
    var current = ""
    var contexts: [Context] = []

    init() {}

    func context(_ name: String) -> Context? { contexts.first { $0.name == name } }

    /// From the file's text. Every entry is checked; one that is wrong makes the file unusable, rather than a command go elsewhere.
    init(_ bytes: [UInt8], file: String) throws(ControlFailure) {
        let findings = FindingList()
        do throws(DocumentFailure) {
            let root = Fields(try YAML.read(bytes).first ?? .null, findings: findings)
            current = root.string("current") ?? ""
            contexts = root.list("contexts").map { Context($0) }
            root.finish()
        } catch {
            throw ControlFailure(
                "\(file):\(error.position.line): \(error.message)", remedy: "Mend the file, or remove it and set contexts anew.")
        }
        if let finding = findings.findings.first(where: { $0.severity == .error }) {
            throw ControlFailure(
                "\(file):\(finding.position.line): \(finding.field): \(finding.message)", remedy: finding.remedy)
        }
    }

    var text: String {
        YAML.write(
            .object(present: [
                ("current", current.isEmpty ? nil : .string(current)), ("contexts", .array(contexts.map(\.value))),
            ]))
    }
}
