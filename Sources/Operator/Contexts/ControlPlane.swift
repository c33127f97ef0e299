// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// A control plane as commands use it: requests in, documents out. One per run of a command.
final class ControlPlane {
    let context: Context
    private let client: any ControlClient
    let catalogue: ResourceCatalogue
    /// Tells a person what the server warns of.
    private let warn: (String) -> Void
    private var warnings = WarningList()

    /// What an answer may be, which is much: a list of all workloads of the largest mesh has some 50 MB.
    static let answerLimits: DocumentLimits = {
        var limits = DocumentLimits()
        limits.bytes = 256 << 20
        limits.nodes = 20_000_000
        return limits
    }()

    init(_ context: Context, _ client: any ControlClient, warn: @escaping (String) -> Void) {
        self.context = context
        self.client = client
        self.warn = warn
        catalogue = ResourceCatalogue()
    }

    /// Runs a command's body against the control plane that the command line means, and says how it failed.
    static func run(
        _ invocation: Invocation, _ session: Session, _ body: (ControlPlane) throws(ControlFailure) -> ExitCode
    ) -> ExitCode {
        do throws(ControlFailure) {
            let context = try ContextChoice.resolve(invocation, session)
            let client = try session.connect(try ContextChoice.endpoint(context))
            let plane = ControlPlane(context, client) { session.console.complain("Warning: \(printable($0))\n") }
            defer { plane.tellWarningsLeft() }
            return try body(plane)
        } catch {
            return session.failed(error)
        }
    }

    /// The namespace of what names none.
    func namespace(_ invocation: Invocation) -> String {
        invocation.value("namespace") ?? (context.namespace.isEmpty ? "default" : context.namespace)
    }

    /// The document of a successful answer, with its status.
    func send(_ request: ControlRequest) throws(ControlFailure) -> (status: Int, document: Value) {
        let answer = try ask(request)
        guard (200...299).contains(answer.status) else { throw ControlFailure(answer, to: request) }
        return (answer.status, try Self.document(answer.body))
    }

    /// Sends it, and tells each warning of the answer once in a run, whatever the status is.
    private func ask(_ request: ControlRequest) throws(ControlFailure) -> ControlAnswer {
        let answer = try client.send(request)
        for value in answer.warnings {
            if let text = ServerWarning.text(value), warnings.take(text) { warn(text) }
        }
        return answer
    }

    /// At the end of a run: how many warnings were more than a person reads.
    private func tellWarningsLeft() {
        if warnings.left > 0 { warn("\(warnings.left) more of the control plane's warnings aren't shown") }
    }

    func get(_ target: String, accept: String = "application/json") throws(ControlFailure) -> Value {
        var request = ControlRequest(.get, target)
        request.accept = accept
        return try send(request).document
    }

    /// A request with a document in it.
    func send(
        _ method: ControlRequest.Method, _ target: String, _ body: Value, contentType: String = "application/json"
    ) throws(ControlFailure) -> (status: Int, document: Value) {
        var request = ControlRequest(method, target)
        request.contentType = contentType
        request.body = body.jsonBytes
        return try send(request)
    }

    /// An answer that is no document.
    func bytes(_ method: ControlRequest.Method, _ target: String, _ body: Value) throws(ControlFailure) -> [UInt8] {
        var request = ControlRequest(method, target)
        (request.contentType, request.body, request.accept) = ("application/json", body.jsonBytes, "*/*")
        let answer = try ask(request)
        guard (200...299).contains(answer.status) else { throw ControlFailure(answer, to: request) }
        return answer.body
    }

    /// Gives each event of a watch to `take` until that says false or the server ends the watch.
    func watch(_ target: String, accept: String, _ take: (Value) -> Bool) throws(ControlFailure) {
        var request = ControlRequest(.get, target)
        request.accept = accept
        var failure: ControlFailure?
        let refusal = try client.follow(request) { line in
            do throws(ControlFailure) {
                return take(try Self.document(line))
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
        if let refusal { throw ControlFailure(refusal, to: request) }
    }

    static func document(_ bytes: [UInt8]) throws(ControlFailure) -> Value {
        if bytes.isEmpty { return .null }
        do throws(DocumentFailure) {
            return try JSON.read(bytes, limits: answerLimits)
        } catch {
            throw ControlFailure(
                "the control plane's answer is no JSON: \(error.message)", remedy: "Is another program at that address?")
        }
    }
}

/// Escapes one segment of a path: what isn't unreserved (RFC 3986 §2.3) becomes `%XX`, so that a name never leaves its place.
func pathSegment(_ text: String) -> String {
    let escaped = queryValue(text).replacing(",", with: "%2C")
    return escaped == "." || escaped == ".." ? escaped.replacing(".", with: "%2E") : escaped
}
