// SPDX-License-Identifier: Apache-2.0

internal import HTTP
package import Kernel
internal import Loop
internal import TLS

// MARK: - Reading

extension TunnelConnection: EventSource {
    package func ready(_ readiness: Readiness) {
        if state == .connecting {
            connected()
            return
        }
        if state == .closing {
            discard()
            return
        }
        if readiness.contains(.write) { queueTurn() }
        guard !readiness.isDisjoint(with: [.read, .peerEnded, .hungUp, .failed]) else { return }
        receive()
    }

    /// One receive per event, two if the first filled the buffer: more would let one tunnel hold up the loop.
    func receive() {
        for _ in 0..<2 {
            let buffer = unsafe loop.ciphertext.bytes
            let transfer: Transfer?
            do throws(Errno) { transfer = try unsafe socket?.receive(into: buffer) } catch {
                close(ConnectionFailure(.tunnelLost, "the tunnel to \(remote): \(error)"))
                return
            }
            switch transfer {
            case .moved(let count):
                lastReceived = loop.now
                pingSent = nil
                bytesReceived &+= UInt64(count)
                unsafe tls.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                decrypt()
                if count < buffer.count || isOver { return }
            case .endOfStream:
                peerHungUp()
                return
            case .wouldBlock, nil: return
            }
        }
    }

    func peerHungUp() {
        let phase = state == .handshaking ? " during the TLS handshake" : ""
        // A connection that ends between two streams is how tunnels end.
        let isQuiet = streams == 0 && (state == .open || state == .leaving)
        close(isQuiet ? nil : ConnectionFailure(.tunnelLost, "\(remote) hung up\(phase)"))
    }

    func decrypt() {
        if state == .handshaking && !handshake() { return }
        while !isOver {
            let buffer = unsafe loop.plaintext.bytes
            switch unsafe tls.read(into: buffer) {
            case .moved(let count): unsafe parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            case .wouldBlock: return
            case .closed:
                peerHungUp()
                return
            case .failed(let failure):
                close(ConnectionFailure(.tunnelLost, "TLS with \(remote): \(failure)"))
                return
            }
        }
    }

    func parse(_ bytes: UnsafeRawBufferPointer) {
        isInSession = true
        let failure = unsafe http.receive(bytes, second: Int(loop.now.nanoseconds / 1_000_000_000))
        leaveSession()
        guard !isOver else { return }
        if let failure {
            write()
            end(ConnectionFailure(failure.isFlood ? .flood : .http2, "HTTP/2 with \(remote): \(failure)"), isOrderly: true)
        } else {
            queueTurn()
        }
    }
}

// MARK: - Writing

extension TunnelConnection: TurnTarget {
    package func endTurn() -> Bool {
        isQueued = false
        guard !isOver, state != .connecting else { return false }
        let isMore = write()
        guard !isOver else { return false }
        if state != .handshaking, http.isFinished, tls.output.pendingCount == 0 {
            let failure = http.failure.map {
                ConnectionFailure($0.isFlood ? .flood : .http2, "HTTP/2 with \(remote): \($0)")
            }
            end(failure, isOrderly: true)
            return false
        }
        isQueued = isMore
        return isMore
    }

    /// Sends what stands ready and produces more while the kernel takes it. True if more is left for the next turn.
    @discardableResult
    func write() -> Bool {
        guard flush() else { return false }
        guard state != .handshaking else { return false }
        isInSession = true
        var sink = TunnelSink(tunnel: self)
        let end = unsafe http.produce(stage: loop.stage.bytes, sink: &sink)
        leaveSession()
        guard !isOver, flush() else { return false }
        if let failure = sink.failure {
            close(ConnectionFailure(.tls, "TLS with \(remote): \(failure)"))
            return false
        }
        switch end {
        case .idle: return false
        // Blocked although everything left: the backlog of a moment ago is gone.
        case .more, .blocked: return true
        }
    }

    /// True when no ciphertext is left. Otherwise the socket tells when it takes more.
    func flush() -> Bool {
        while tls.output.pendingCount > 0 {
            var result: Transfer?
            var fault: Errno?
            unsafe tls.output.withPending { bytes in
                do throws(Errno) { result = try unsafe socket?.send(bytes) } catch { fault = error }
            }
            if let fault {
                // Closing flushes for the last time: it can't fail twice.
                tls.output.removeAll()
                close(ConnectionFailure(.tunnelLost, "the tunnel to \(remote): \(fault)"))
                return false
            }
            guard case .moved(let count) = result else { break }
            bytesSent &+= UInt64(count)
            tls.output.consume(count)
        }
        let isBlocked = tls.output.pendingCount > 0
        if isBlocked != wantsWrite, let token {
            wantsWrite = isBlocked
            loop.want(isBlocked ? [.read, .write] : .read, token)
        }
        return !isBlocked
    }

    func encrypt(_ bytes: UnsafeRawBufferPointer) -> TLSFailure? { unsafe tls.write(bytes) }
}

/// Takes finished frames, encrypts them and sends what is encrypted: a stage at a time.
private struct TunnelSink: HTTP2Sink {
    let tunnel: TunnelConnection
    var failure: TLSFailure?

    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard failure == nil, tunnel.state != .closed, tunnel.state != .closing else { return false }
        failure = unsafe tunnel.encrypt(bytes)
        return failure == nil && tunnel.flush()
    }
}
