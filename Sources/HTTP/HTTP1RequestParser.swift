// SPDX-License-Identifier: Apache-2.0

/// Requests out of the bytes of one HTTP/1 connection: the server's side. Feed what arrives, then ask for requests until there is none.
///
/// One owner, one thread; it ends with its connection, or with its first failure.
package struct HTTP1RequestParser: ~Copyable {
    private enum State {
        case line
        case headers(HTTP1Request, isVersion11: Bool)
        case body(HTTP1Request)
        case failed(HTTP1Failure)
    }

    private var input: HTTP1Input
    private var fields: HTTP1Fields
    /// Beside the state and not in it, so that what comes in pieces is appended in place.
    private var body: HTTP1Body
    private var state = State.line
    private var mustContinue = false
    private let limits: HTTP1Limits
    /// The target of the request that `next` gave last, as it was received.
    package private(set) var target = ""
    /// Whether its client understands chunks.
    package private(set) var isVersion11 = true

    package init(limits: HTTP1Limits = .server) {
        self.limits = limits
        fields = HTTP1Fields(limits)
        body = HTTP1Body(.length(0), limits)
        // One request of the largest kind and its chunk marks may wait, and the beginning of the next.
        input = HTTP1Input(maximum: limits.startLine + limits.headers + 2 * limits.body + 65536)
    }

    /// A request has begun and isn't complete: the time that it takes is the peer's.
    package var isWithinRequest: Bool {
        switch state {
        case .line: input.count > 0
        case .headers, .body: true
        case .failed: false
        }
    }

    /// Bytes that arrived and that `next` hasn't given yet.
    package var held: Int { input.count + body.bytes.count }

    /// Takes what arrived.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Failure) {
        do throws(HTTP1Failure) {
            if case .failed(let failure) = state { throw failure }
            try unsafe input.append(bytes)
        } catch {
            state = .failed(error)
            throw error
        }
    }

    /// The next whole request; nil if more bytes are needed. Failures repeat.
    package mutating func next() throws(HTTP1Failure) -> HTTP1Request? {
        do throws(HTTP1Failure) {
            while true {
                switch state {
                case .line: guard try readLine() else { return nil }
                case .headers(let request, let isVersion11): guard try readHeaders(request, isVersion11) else { return nil }
                case .body(let request): return try readBody(request)
                case .failed(let failure): throw failure
                }
            }
        } catch {
            state = .failed(error)
            throw error
        }
    }

    /// Once after a head whose client waits for a word before it sends the body (RFC 9110 §10.1.1): `HTTP1Response.continuing` is due.
    package mutating func takeContinue() -> Bool {
        defer { mustContinue = false }
        return mustContinue
    }

    /// `METHOD SP target SP HTTP/1.x`. An empty line before it is passed over (RFC 9112 §2.2).
    private mutating func readLine() throws(HTTP1Failure) -> Bool {
        guard let line = try input.takeLine(limit: limits.startLine, .lineTooLong) else { return false }
        if line.isEmpty { return true }
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(HTTP1Token.isToken) else {
            throw .malformed("the request line isn't one")
        }
        let version = String(decoding: parts[2], as: UTF8.self)
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else { throw .version }
        guard let target = HTTP1Target.parse(parts[1]) else { throw .malformed("the request target is malformed") }
        let request = HTTP1Request(method: String(decoding: parts[0], as: UTF8.self), path: target.path, query: target.query)
        self.target = String(decoding: parts[1], as: UTF8.self)
        isVersion11 = version == "HTTP/1.1"
        fields = HTTP1Fields(limits)
        state = .headers(request, isVersion11: version == "HTTP/1.1")
        return true
    }

    private mutating func readHeaders(_ head: HTTP1Request, _ isVersion11: Bool) throws(HTTP1Failure) -> Bool {
        guard try fields.read(&input) else { return false }
        var request = head
        request.headers = fields.headers
        request.keepsAlive = fields.keepsAlive(isVersion11: isVersion11)
        let hosts = request.headers.values("host").count
        guard hosts == 1 || (hosts == 0 && !isVersion11) else { throw .malformed("there isn't one host") }
        let framing = try fields.framing()
        guard isVersion11 || framing != .chunked else { throw .malformed("HTTP/1.0 has no chunks") }
        body = HTTP1Body(framing ?? .length(0), limits)
        mustContinue =
            isVersion11 && !body.isComplete && input.count == 0 && request.headers["expect"]?.lowercased() == "100-continue"
        state = .body(request)
        return true
    }

    private mutating func readBody(_ head: HTTP1Request) throws(HTTP1Failure) -> HTTP1Request? {
        guard try body.read(&input) else { return nil }
        var request = head
        request.body = body.bytes
        body = HTTP1Body(.length(0), limits)
        state = .line
        return request
    }
}
