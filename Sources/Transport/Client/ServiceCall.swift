// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import HTTP

/// Who makes a call of a service.
package protocol ServiceCaller: AnyObject {
    /// The head of the answer.
    func answered(_ call: ServiceCall, status: Int, headers: HTTPHeaders)
    /// Bytes of its body. No more than a window's worth comes before `ServiceCall.consumed` was called for what came.
    func received(_ call: ServiceCall, _ bytes: [UInt8])
    /// What was sent has left.
    func drained(_ call: ServiceCall)
    /// The answer is complete. Nothing follows.
    func ended(_ call: ServiceCall, trailers: HTTPHeaders)
    /// It won't be. Nothing follows.
    func failed(_ call: ServiceCall, _ failure: ServiceFailure)
}

extension ServiceCaller {
    package func drained(_ call: ServiceCall) {}
}

/// One request to a service and its answer, on the loop of its connection, which holds it while it lasts.
package final class ServiceCall {
    private(set) var head: HTTP2RequestHead
    /// Nil once it is over.
    private var connection: ServiceConnection?
    private weak var caller: (any ServiceCaller)?
    private(set) var stream: Int32?
    private var output = ByteQueue()
    private var hasFinished: Bool
    private var mustTellDrained = false
    private(set) package var isOver = false
    /// Of a whole body, known at the beginning.
    let hasNoBody: Bool
    var trailers = HTTPHeaders()

    /// Makes a call.
    /// - Parameters:
    ///   - body: what is sent; nil: bytes follow by `send`, until `finish`.
    ///   - caller: not retained.
    package init(
        _ connection: ServiceConnection, method: String, path: String, headers: HTTPHeaders, body: [UInt8]?,
        caller: any ServiceCaller
    ) {
        self.connection = connection
        self.caller = caller
        head = HTTP2RequestHead(
            method: method, authority: connection.authority, scheme: connection.isSecure ? "https" : "http", path: path,
            headers: headers)
        hasNoBody = body?.isEmpty ?? false
        hasFinished = body != nil
        if let body { unsafe body.withUnsafeBytes { unsafe output.append($0) } }
    }

    /// Header fields that weren't known when it was made. Before it begins.
    package func add(_ headers: HTTPHeaders) { for (name, value) in headers { head.headers.append(name, value) } }

    /// Begins: apart from making it, so that whoever makes it knows it when it fails at once.
    package func begin() { connection?.begin(self) }

    package func send(_ bytes: [UInt8]) {
        guard !isOver, !hasFinished, !bytes.isEmpty else { return }
        unsafe bytes.withUnsafeBytes { unsafe output.append($0) }
        mustTellDrained = true
        resume()
    }

    /// Bytes that were sent here and that the service hasn't taken from us yet.
    package var queued: Int { output.count }

    package func finish() {
        guard !isOver, !hasFinished else { return }
        hasFinished = true
        resume()
    }

    /// So many bytes of the answer are dealt with.
    package func consumed(_ count: Int) {
        guard !isOver, let connection, let stream, count > 0 else { return }
        connection.http.consume(stream, count)
        connection.queueTurn()
    }

    /// Ends it; the caller hears nothing more.
    package func cancel() {
        guard !isOver else { return }
        isOver = true
        connection?.cancel(self)
        forget()
    }

    private func resume() {
        guard let connection, let stream else { return }
        connection.http.resume(stream)
        connection.queueTurn()
    }

    // MARK: - What the connection tells

    func opened(_ stream: Int32) { self.stream = stream }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> HTTP2DataRead {
        guard !output.isEmpty else { return hasFinished ? .end : .nothing }
        let count = unsafe output.withBytes { bytes in
            let part = unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(buffer.count))
            unsafe buffer.copyMemory(from: part)
            return part.count
        }
        output.consume(count)
        guard output.isEmpty else { return .bytes(count) }
        if hasFinished { return .bytesAndEnd(count) }
        if mustTellDrained {
            mustTellDrained = false
            connection?.noteDrained(self)
        }
        return .bytes(count)
    }

    func drained() { if !isOver { caller?.drained(self) } }
    func responded(_ status: Int, _ headers: HTTPHeaders) {
        if !isOver { caller?.answered(self, status: status, headers: headers) }
    }

    func received(_ bytes: [UInt8]) {
        guard !isOver, let caller else { return consumed(bytes.count) }
        caller.received(self, bytes)
    }

    func ended() {
        guard !isOver else { return }
        isOver = true
        forget()
        caller?.ended(self, trailers: trailers)
    }

    func failed(_ failure: ServiceFailure) {
        guard !isOver else { return }
        isOver = true
        forget()
        caller?.failed(self, failure)
    }

    private func forget() {
        output.release()
        connection = nil
    }
}
