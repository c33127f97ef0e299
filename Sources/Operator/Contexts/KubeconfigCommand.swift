// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Wire

/// `warren kubeconfig`: what kubectl and client libraries need to use the control plane.
enum KubeconfigCommand {
    static let command = Command(
        "kubeconfig", "Print or write a kubeconfig for kubectl and client libraries.",
        detail:
            "The roots are asked of the control plane. A context with a token lends its own; otherwise a token is made, with --role for"
            + " --ttl. The file is for its owner alone: who has it has the token.",
        options: [
            CommandOption("write", value: "PATH", "Write it there instead of printing it; what is there is replaced."),
            CommandOption(
                "role", value: "ROLE", choices: ["admin", "editor", "viewer"], "What its owner may do: admin without a word."),
            CommandOption("ttl", value: "DURATION", "How long the token is good: 24h without a word."),
            CommandOption(
                "namespace", short: "n", value: "NAME",
                "Its namespace, and for editors what may be changed; may come several times."),
            CommandOption(
                "address", value: "HOST[:PORT]", "How kubectl reaches the control plane: this host's name without a word."),
        ] + ContextChoice.options,
        examples: [
            ("sudo warren kubeconfig --write ./kubeconfig", "On the control plane's host: for an admin, for a day."),
            ("warren kubeconfig --role editor -n shop --ttl 720h --address control.example.org > kubeconfig", "For a pipeline."),
        ], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        if invocation.value("role") == "editor", !invocation.has("namespace") {
            return session.usage("an editor needs namespaces", hint: "Name them with -n.")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let server = try address(invocation, plane)
            let roots = try plane.get("/warren/v1/roots")["roots"]?.stringValue ?? ""
            guard roots.hasPrefix("-----BEGIN CERTIFICATE-----") else {
                throw ControlFailure("the control plane told no roots", remedy: "Look at its version.")
            }
            let document = kubeconfig(
                server: server, roots: roots, token: try token(invocation, plane), namespace: plane.namespace(invocation))
            let text = YAML.write(document)
            guard let path = invocation.value("write") else {
                session.console.print(text.withoutDirectionMarks)
                return .ok
            }
            do throws(Errno) {
                try File.replace(path, with: Array(text.utf8), mode: 0o600)
            } catch {
                throw ControlFailure("\(path) can't be written: \(error)", remedy: "Name another place with --write.")
            }
            session.console.print("Wrote \(printable(path)). Use it: export KUBECONFIG=\(printable(path))\n")
            return .ok
        }
    }

    private static func address(_ invocation: Invocation, _ plane: ControlPlane) throws(ControlFailure) -> String {
        if let text = invocation.value("address") {
            guard let place = ControlEndpoint.address(text) else {
                throw ControlFailure("--address is no HOST or HOST:PORT", remedy: "Write it like control.example.org:15012.")
            }
            return place.url
        }
        if case .network? = ControlEndpoint.place(plane.context.server) { return plane.context.server }
        return ControlEndpoint.Place.network(host: hostName(), port: ControlEndpoint.standardPort).url
    }

    /// The context's own, unless another kind is wanted.
    private static func token(_ invocation: Invocation, _ plane: ControlPlane) throws(ControlFailure) -> String {
        if !plane.context.token.isEmpty, !invocation.has("role"), !invocation.has("ttl") { return plane.context.token }
        let role = invocation.value("role") ?? "admin"
        let namespaces = role == "editor" ? invocation.all("namespace").map { Value.string($0) } : []
        let wish = Value.object(present: [
            ("kind", "bearer"), ("role", .string(role)), ("ttl", invocation.value("ttl").map { .string($0) }),
            ("namespaces", namespaces.isEmpty ? nil : .array(namespaces)), ("note", "kubeconfig"),
        ])
        guard let token = try plane.send(.post, "/warren/v1/tokens", wish).document["token"]?.stringValue, !token.isEmpty else {
            throw ControlFailure("the control plane's answer holds no token", remedy: "Look at its version.")
        }
        return token
    }

    static func kubeconfig(server: String, roots: String, token: String, namespace: String) -> Value {
        [
            "apiVersion": "v1", "kind": "Config", "current-context": "warren",
            "clusters": [
                [
                    "name": "warren",
                    "cluster": ["server": .string(server), "certificate-authority-data": .string(Base64.encode(roots.utf8))],
                ]
            ],
            "users": [["name": "warren", "user": ["token": .string(token)]]],
            "contexts": [
                ["name": "warren", "context": ["cluster": "warren", "user": "warren", "namespace": .string(namespace)]]
            ],
        ]
    }
}
