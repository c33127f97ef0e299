// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Which control plane a command speaks to, and as whom: flags before the environment before the configuration before this host's own.
enum ContextChoice {
    static let context = CommandOption("context", value: "NAME", "Which context of `warren context list`.")
    static let server = CommandOption(
        "server", value: "URL", "The control plane: https://HOST:15012, or unix:///PATH.")
    static let tokenFile = CommandOption("token-file", value: "PATH", "The file with the token that says who asks.")
    static let authority = CommandOption("ca-file", value: "PATH", "The file with the roots to believe, in PEM.")
    static let namespace = CommandOption(
        "namespace", short: "n", value: "NAME", "The namespace; the context's, or default, without a word.")
    /// What every command takes that asks a control plane.
    static let options = [context, server, tokenFile, authority]

    /// A file with a token or a certificate is small.
    private static let limit = 1 << 20

    /// The context that is meant.
    static func resolve(_ invocation: Invocation, _ session: Session) throws(ControlFailure) -> Context {
        var context = try named(invocation, session)
        if let server = invocation.value("server") {
            // Another server must not get this one's secrets.
            if context.server != server { context = Context(name: "--server") }
            context.server = server
        }
        if let path = invocation.value("token-file") { context.token = try text(path) }
        if let path = invocation.value("ca-file") { context.authority = String(decoding: try read(path), as: UTF8.self) }
        return context
    }

    private static func named(_ invocation: Invocation, _ session: Session) throws(ControlFailure) -> Context {
        let file = ContextFile(session.environment)
        let variable = session.environment("WARREN_CONTEXT").flatMap { $0.isEmpty ? nil : $0 }
        if let name = invocation.value("context") ?? variable {
            guard let context = try file?.read().context(name) else {
                throw ControlFailure("there is no context `\(name)`", remedy: "`warren context list` shows those that there are.")
            }
            return context
        }
        if invocation.has("server") { return Context(name: "--server") }
        let list = try file?.read() ?? ContextList()
        if !list.current.isEmpty {
            guard let context = list.context(list.current) else {
                throw ControlFailure(
                    "the current context `\(list.current)` isn't in \(file?.path ?? "")",
                    remedy: "Choose one with `warren context use`.")
            }
            return context
        }
        var local = Context(name: "local")
        local.server = "unix://\(ControlEndpoint.localSocket)"
        return local
    }

    /// The way to a context's control plane, with what it takes to get in.
    static func endpoint(_ context: Context) throws(ControlFailure) -> ControlEndpoint {
        guard let place = ControlEndpoint.place(context.server) else {
            throw ControlFailure(
                "`\(context.server)` is no address of a control plane", remedy: "Write https://HOST:15012 or unix:///PATH.")
        }
        var endpoint = ControlEndpoint(place)
        if !context.token.isEmpty { endpoint.token = context.token }
        if case .network(let host, _) = place {
            if !context.authority.isEmpty {
                endpoint.trust = .roots(Array(context.authority.utf8), hostName: host)
            } else if !context.fingerprint.isEmpty {
                endpoint.trust = .fingerprint(context.fingerprint)
            } else {
                throw ControlFailure(
                    "nothing says whether \(context.server) is the right control plane",
                    remedy: "Give its roots with --ca-file, or the root's fingerprint with `warren context set --fingerprint`.")
            }
        }
        if !context.certificateFile.isEmpty {
            endpoint.certificate = try read(context.certificateFile)
            endpoint.key = try read(context.keyFile)
        }
        return endpoint
    }

    static func read(_ path: String) throws(ControlFailure) -> [UInt8] {
        do throws(Errno) {
            return try File.read(path, limit: limit)
        } catch {
            throw ControlFailure("\(path) can't be read: \(error)", remedy: "Look at its name and permissions.")
        }
    }

    /// A file of one line.
    static func text(_ path: String) throws(ControlFailure) -> String {
        let text = String(decoding: try read(path), as: UTF8.self)
        let words = text.split { $0 == " " || $0 == "\n" || $0 == "\r\n" || $0 == "\t" }
        guard words.count == 1, let word = words.first, word.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw ControlFailure("\(path) holds no token", remedy: "It should have one line: the token.")
        }
        return String(word)
    }
}
