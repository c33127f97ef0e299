// SPDX-License-Identifier: Apache-2.0

import Documents
import HTTP
import Transport

/// A request without a connection: what is answered is kept. The client takes what is sent when the test says so.
final class FakeExchange: HTTPExchange {
    let head: HTTPRequestHead
    let peer: HTTPPeer
    private let body: [UInt8]

    private(set) var response: HTTP1Response?
    private(set) var status: Int?
    private(set) var sent: [UInt8] = []
    private(set) var isFinished = false
    private(set) var isAborted = false
    private(set) var queued = 0
    /// Whether the client takes everything at once.
    var takes = true
    var onDrained: (() -> Void)?
    var onGone: (() -> Void)?

    init(
        _ method: String, _ target: String, headers: HTTPHeaders = [:], body: String = "",
        peer: HTTPPeer = HTTPPeer(process: HTTPPeer.Process(user: 0, group: 0, pid: 1))
    ) {
        head = HTTPRequestHead(method: method, target: target, authority: "localhost", headers: headers)
        self.peer = peer
        self.body = Array(body.utf8)
    }

    func readBody(limit: Int, _ done: @escaping (Result<[UInt8], HTTPBodyFailure>) -> Void) {
        done(body.count <= limit ? .success(body) : .failure(.tooLarge(limit: limit)))
    }

    func streamBody(_ sink: any HTTPBodySink) {
        sink.bodyReceived(body)
        sink.bodyEnded()
    }

    func consumed(_ count: Int) {}

    func respond(_ response: HTTP1Response) {
        precondition(self.response == nil && status == nil, "answered twice")
        self.response = response
        status = response.status
    }

    func begin(status: Int, headers: HTTPHeaders) {
        precondition(self.status == nil, "answered twice")
        self.status = status
    }

    func send(_ bytes: [UInt8]) {
        precondition(status != nil && !isFinished, "sent outside of an answer")
        sent += bytes
        if !takes { queued += bytes.count }
    }

    func finish(trailers: HTTPHeaders) { isFinished = true }

    func abort() {
        isAborted = true
        onGone?()
    }

    /// The client reads what it was sent.
    func drain() {
        guard queued > 0 else { return }
        queued = 0
        onDrained?()
    }

    /// The client goes away.
    func leave() { onGone?() }

    /// The answer's body as a document.
    var document: Value? { (response?.body).flatMap { try? JSON.read($0) } }

    /// What was sent, line by line, as documents.
    var lines: [Value] {
        sent.split(separator: 0x0a).compactMap { try? JSON.read(Array($0)) }
    }
}
