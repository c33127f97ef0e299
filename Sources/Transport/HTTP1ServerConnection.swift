// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
internal import Kernel
internal import Loop

/// One client of an HTTP/1 server: one request at a time, answered before the next is looked at.
///
///     reading ──request──► answering ──response──► writing ──► reading (kept alive) or closed
final class HTTP1ServerConnection: EventSource, TimerTarget {
    private enum State {
        case reading
        /// The number tells this request's answer from one that comes too late.
        case answering(UInt64)
        case writing(keepsAlive: Bool)
        case closed
    }

    private let server: HTTP1Server
    private let loop: Loop
    private var socket: Descriptor?
    private var token: Token?
    private var timer: Token?
    private var parser = HTTP1RequestParser()
    private var state = State.reading
    private var output = ByteQueue()
    private var requests: UInt64 = 0
    /// `next` is at work further up the stack.
    private var isServing = false
    /// The time of the request that is coming in runs.
    private var isTimed = false

    init(_ server: HTTP1Server, _ loop: Loop, _ socket: consuming Descriptor) {
        self.server = server
        self.loop = loop
        self.socket = consume socket
    }

    func start() {
        guard let number = socket?.number else { return }
        do throws(Errno) {
            token = try loop.watch(number, for: .read, source: self)
            setTimer(server.bounds.requestTimeout)
        } catch {
            close()
        }
    }

    func ready(_ readiness: Readiness) {
        if readiness.contains(.failed) || (readiness.contains(.hungUp) && isAnswering) {
            close()
            return
        }
        if readiness.contains(.write) { flush() }
        if !readiness.isDisjoint(with: [.read, .hungUp]) { receive() }
    }

    /// Who asks nothing now is let go; who does gets one answer more.
    func retire() { if case .reading = state, !parser.isWithinRequest { close() } }

    private var isAnswering: Bool { if case .answering = state { true } else { false } }

    func timerFired(_ tag: UInt32) {
        timer = nil
        switch state {
        case .answering: answer(HTTP1Response(status: 503, "no answer in time\n"), keepsAlive: false, isHead: false)
        case .reading where parser.isWithinRequest:
            answer(HTTP1Response(status: 408, "the request took too long\n"), keepsAlive: false, isHead: false)
        case .reading, .writing, .closed: close()
        }
    }

    // MARK: - In

    private func receive() {
        guard case .reading = state else { return }
        let buffer = unsafe loop.plaintext.bytes
        do throws(Errno) {
            switch try unsafe socket?.receive(into: buffer) {
            case .moved(let count): unsafe take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            case .endOfStream: close()
            case .wouldBlock, nil: break
            }
        } catch {
            close()
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        do throws(HTTP1Failure) {
            try unsafe parser.feed(bytes)
        } catch {
            answer(HTTP1Response(error), keepsAlive: false, isHead: false)
            return
        }
        next()
    }

    /// Serves what has come, one request after the other. An answer that is given at once comes back here through `flush`: this loop then goes on, so
    /// that it isn't the client who decides how deep we call ourselves.
    private func next() {
        guard !isServing else { return }
        isServing = true
        defer { isServing = false }
        while case .reading = state, serveNext() {}
    }

    /// False: no whole request is here.
    private func serveNext() -> Bool {
        do throws(HTTP1Failure) {
            if let request = try parser.next() {
                serve(request)
                return true
            }
        } catch {
            answer(HTTP1Response(error), keepsAlive: false, isHead: false)
            return false
        }
        if parser.isWithinRequest, !isTimed {
            isTimed = true
            setTimer(server.bounds.requestTimeout)
        }
        if parser.takeContinue() { sendContinue() }
        return false
    }

    private func serve(_ request: HTTP1Request) {
        requests += 1
        let number = requests
        state = .answering(number)
        isTimed = false
        // While one is being answered nothing is read: the client can't pile up requests.
        if let token { loop.want([], token) }
        setTimer(server.bounds.answerTimeout)
        let (keepsAlive, isHead) = (request.keepsAlive, request.method == "HEAD")
        server.handler(request) { [weak self] response in
            guard let self, case .answering(number) = self.state else { return }
            self.answer(response, keepsAlive: keepsAlive, isHead: isHead)
        }
    }

    // MARK: - Out

    private func answer(_ response: HTTP1Response, keepsAlive: Bool, isHead: Bool) {
        let keepsAlive = keepsAlive && !server.isRetired
        state = .writing(keepsAlive: keepsAlive)
        setTimer(server.bounds.idleTimeout)
        let bytes = response.serialized(isHead: isHead, keepsAlive: keepsAlive)
        unsafe bytes.withUnsafeBytes { unsafe output.append($0) }
        flush()
    }

    private func sendContinue() {
        unsafe HTTP1Response.continuing.withUnsafeBytes { unsafe output.append($0) }
        flush()
    }

    private func flush() {
        while !output.isEmpty {
            var sent = 0
            var fault: Errno?
            unsafe output.withBytes { bytes in
                do throws(Errno) {
                    if case .moved(let count) = try unsafe socket?.send(bytes) { sent = count }
                } catch { fault = error }
            }
            guard fault == nil else {
                close()
                return
            }
            guard sent > 0 else {
                if let token { loop.want(.write, token) }
                return
            }
            output.consume(sent)
        }
        guard case .writing(let keepsAlive) = state else { return }
        guard keepsAlive else {
            socket?.shutdownWriting()
            close()
            return
        }
        state = .reading
        if let token { loop.want(.read, token) }
        setTimer(server.bounds.idleTimeout)
        // The next request may be here already.
        next()
    }

    private func setTimer(_ time: Interval) {
        if let timer { loop.cancel(timer) }
        timer = loop.arm(time, self, tag: 0)
    }

    private func close() {
        if case .closed = state { return }
        state = .closed
        if let token = token.take() { loop.unwatch(token) }
        if let timer = timer.take() { loop.cancel(timer) }
        socket = nil
        output.release()
        server.ended(self)
    }
}
