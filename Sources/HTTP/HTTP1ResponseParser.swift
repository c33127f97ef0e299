// SPDX-License-Identifier: Apache-2.0

/// Responses out of the bytes of one HTTP/1 connection: the client's side. One request is under way at a time.
///
/// One owner, one thread; it ends with its connection, or with its first failure.
package struct HTTP1ResponseParser: ~Copyable {
    private enum State {
        case line
        case headers(status: Int, isVersion11: Bool)
        case body(HTTP1Response)
        case failed(HTTP1Failure)
    }

    private var input: HTTP1Input
    private var fields: HTTP1Fields
    /// Beside the state and not in it, so that what comes in pieces is appended in place.
    private var body: HTTP1Body
    private var state = State.line
    private let limits: HTTP1Limits

    /// The request that is answered next was a HEAD: its response has no body whatever it says.
    package var answersHead = false
    /// The connection may carry another request after this response.
    package private(set) var keepsAlive = true

    package init(limits: HTTP1Limits = .client) {
        self.limits = limits
        fields = HTTP1Fields(limits)
        body = HTTP1Body(.length(0), limits)
        input = HTTP1Input(maximum: limits.startLine + limits.headers + limits.body + 65536)
    }

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

    /// The next whole response; nil if more bytes are needed. Informational ones (1xx) are passed over. Failures repeat.
    package mutating func next() throws(HTTP1Failure) -> HTTP1Response? {
        do throws(HTTP1Failure) {
            while true {
                switch state {
                case .line: guard try readLine() else { return nil }
                case .headers(let status, let isVersion11): guard try readHeaders(status, isVersion11) else { return nil }
                case .body(let response): return try readBody(response)
                case .failed(let failure): throw failure
                }
            }
        } catch {
            state = .failed(error)
            throw error
        }
    }

    /// The server closed the connection. The response, if that is how it ends; nil between two responses. A response that is cut off is a
    /// failure, never a shorter response.
    package mutating func end() throws(HTTP1Failure) -> HTTP1Response? {
        if let response = try next() { return response }
        switch state {
        case .line where input.count == 0: return nil
        case .body(let response) where body.end(): return finished(response)
        case .line, .headers, .body, .failed:
            let failure = HTTP1Failure.malformed("the connection ended within a response")
            state = .failed(failure)
            throw failure
        }
    }

    /// `HTTP/1.x SP status SP reason`.
    private mutating func readLine() throws(HTTP1Failure) -> Bool {
        guard let line = try input.takeLine(limit: limits.startLine, .malformed("the status line is too long")) else {
            return false
        }
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2 else { throw .malformed("the status line isn't one") }
        let version = String(decoding: parts[0], as: UTF8.self)
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else { throw .version }
        guard parts[1].count == 3, let status = HTTP1Token.decimal(String(decoding: parts[1], as: UTF8.self)),
            (100...599).contains(status), status != 101
        else { throw .malformed("the status isn't one") }
        fields = HTTP1Fields(limits)
        state = .headers(status: status, isVersion11: version == "HTTP/1.1")
        return true
    }

    private mutating func readHeaders(_ status: Int, _ isVersion11: Bool) throws(HTTP1Failure) -> Bool {
        guard try fields.read(&input) else { return false }
        guard status >= 200 else {
            state = .line
            return true
        }
        let framing = try fields.framing()
        let isEmpty = answersHead || status == 204 || status == 304
        keepsAlive = fields.keepsAlive(isVersion11: isVersion11) && (isEmpty || framing != nil)
        body = HTTP1Body(isEmpty ? .length(0) : framing ?? .untilClose, limits)
        state = .body(HTTP1Response(status: status, headers: fields.headers))
        return true
    }

    private mutating func readBody(_ head: HTTP1Response) throws(HTTP1Failure) -> HTTP1Response? {
        try body.read(&input) ? finished(head) : nil
    }

    private mutating func finished(_ head: HTTP1Response) -> HTTP1Response {
        var response = head
        response.body = body.bytes
        body = HTTP1Body(.length(0), limits)
        state = .line
        return response
    }
}
