// SPDX-License-Identifier: Apache-2.0

/// A whole HTTP/1 response. A value.
package struct HTTP1Response: Hashable, Sendable {
    package var status: Int
    package var headers: HTTPHeaders
    package var body: [UInt8]

    package init(status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A text of one type, which a browser is told not to guess about.
    package init(status: Int = 200, contentType: String = "text/plain; charset=utf-8", _ text: String) {
        self.init(
            status: status, headers: ["content-type": contentType, "x-content-type-options": "nosniff"], body: Array(text.utf8))
    }

    /// What a server says to bytes that are no request, before it closes.
    package init(_ failure: HTTP1Failure) { self.init(status: failure.status, "\(failure.reason)\n") }

    /// The response as a server sends it. `content-length` and, where the connection ends, `connection: close` are added. The answer to a
    /// HEAD has the header fields of a GET and no body.
    package func serialized(isHead: Bool = false, keepsAlive: Bool = true) -> [UInt8] {
        var lines = HTTPHeaders()
        for (name, value) in headers where name.lowercased() != "content-length" { lines.append(name, value) }
        if status != 204 && status != 304 { lines.append("content-length", "\(body.count)") }
        if !keepsAlive { lines.append("connection", "close") }
        let head = Array("HTTP/1.1 \(status) \(Self.reason(status))\r\n".utf8) + lines.serialized
        return isHead || status == 204 || status == 304 ? head : head + body
    }

    /// The head of an answer whose body comes in chunks, or, for a client that knows none, ends with the connection.
    package static func streamingHead(status: Int, headers: HTTPHeaders, isChunked: Bool) -> [UInt8] {
        var lines = HTTPHeaders()
        for (name, value) in headers where name.lowercased() != "content-length" { lines.append(name, value) }
        if isChunked { lines.append("transfer-encoding", "chunked") } else { lines.append("connection", "close") }
        return Array("HTTP/1.1 \(status) \(reason(status))\r\n".utf8) + lines.serialized
    }

    /// A chunk of such a body; of no bytes: its end.
    package static func chunk(_ bytes: [UInt8]) -> [UInt8] {
        Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n".utf8)
    }

    /// What a server sends between head and body to a client that waits for it (`HTTP1RequestParser.takeContinue`).
    package static let continuing = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "-"
        }
    }
}
