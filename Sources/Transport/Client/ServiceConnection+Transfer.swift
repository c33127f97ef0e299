// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import HTTP
package import Kernel
internal import Loop
internal import TLS

extension ServiceConnection: EventSource {
    // MARK: - In

    package func ready(_ readiness: Readiness) {
        if state == .connecting { return connected() }
        if readiness.contains(.write) { queueTurn() }
        guard !readiness.isDisjoint(with: [.read, .peerEnded, .hungUp, .failed]) else { return }
        let buffer = unsafe tls == nil ? loop.plaintext.bytes : loop.ciphertext.bytes
        let transfer: Transfer?
        do throws(Errno) { transfer = try unsafe socket?.receive(into: buffer) } catch {
            return lose(ServiceFailure(.lost, "the connection to \(place) was lost: \(error)"))
        }
        switch transfer {
        case .moved(let count):
            received = loop.now
            pinged = nil
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            if let tls { unsafe decrypt(bytes, tls) } else { unsafe parse(bytes) }
        case .endOfStream:
            let when = state == .securing ? " during the TLS handshake" : ""
            lose(ServiceFailure(.lost, "\(place) hung up\(when)"))
        case .wouldBlock, nil: break
        }
    }

    func decrypt(_ bytes: UnsafeRawBufferPointer, _ tls: TLSSession) {
        unsafe tls.feed(bytes)
        if state == .securing { handshake() }
        guard state == .settling || state == .open else { return }
        while state != .over {
            let buffer = unsafe loop.plaintext.bytes
            switch unsafe tls.read(into: buffer) {
            case .moved(let count): unsafe parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            case .wouldBlock: return
            case .closed: return lose(ServiceFailure(.lost, "\(place) hung up"))
            case .failed(let failure):
                // In TLS 1.3 a server's refusal of our certificate comes when we think that all is well.
                return lose(ServiceFailure(state == .settling ? .refused : .lost, "TLS with \(place): \(failure)"))
            }
        }
    }

    func parse(_ bytes: UnsafeRawBufferPointer) {
        isInSession = true
        let failure = unsafe http.receive(bytes, second: Int(loop.now.nanoseconds / 1_000_000_000))
        leaveSession()
        if let failure { return lose(ServiceFailure(.lost, "HTTP/2 with \(place): \(failure)")) }
        queueTurn()
    }

    func leaveSession() {
        isInSession = false
        if state == .over { return abandon() }
        let calls = drained
        drained = []
        for call in calls { call.drained() }
    }
}

extension ServiceConnection: TurnTarget {
    // MARK: - Out

    func queueTurn() {
        guard !isQueued, state != .over, state != .connecting else { return }
        isQueued = true
        loop.atEndOfTurn(self)
    }

    package func endTurn() -> Bool {
        isQueued = false
        guard state != .over, flush() else { return false }
        guard state == .settling || state == .open else { return false }
        openWaiting()
        isInSession = true
        var sink = ServiceSink(connection: self)
        let end = unsafe http.produce(stage: loop.stage.bytes, sink: &sink)
        leaveSession()
        guard state != .over else { return false }
        if let failure = sink.failure {
            lose(ServiceFailure(.lost, "TLS with \(place): \(failure)"))
            return false
        }
        let isOut = flush()
        guard state != .over else { return false }
        if http.isFinished {
            lose(ServiceFailure(.lost, "\(place) ended the connection"))
            return false
        }
        if case .idle = end { return false }
        isQueued = isOut
        return isOut
    }

    private var pending: Int { tls?.output.pendingCount ?? plain.count }

    fileprivate func write(_ bytes: UnsafeRawBufferPointer) -> TLSFailure? {
        guard let tls else {
            unsafe plain.append(bytes)
            return nil
        }
        return unsafe tls.write(bytes)
    }

    func flush() -> Bool {
        while pending > 0, state != .over {
            var result: Transfer?
            var fault: Errno?
            let send = { (bytes: UnsafeRawBufferPointer) in
                do throws(Errno) { result = try unsafe self.socket?.send(bytes) } catch { fault = error }
            }
            if let tls { unsafe tls.output.withPending(send) } else { unsafe plain.withBytes(send) }
            if let fault {
                lose(ServiceFailure(.lost, "the connection to \(place) was lost: \(fault)"))
                return false
            }
            guard case .moved(let count) = result else { break }
            if let tls { tls.output.consume(count) } else { plain.consume(count) }
        }
        if let token, state != .over { loop.want(pending > 0 ? [.read, .write] : .read, token) }
        return pending == 0
    }
}

private struct ServiceSink: HTTP2Sink {
    let connection: ServiceConnection
    var failure: TLSFailure?

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard failure == nil else { return false }
        failure = unsafe connection.write(bytes)
        return failure == nil && connection.flush()
    }
}
