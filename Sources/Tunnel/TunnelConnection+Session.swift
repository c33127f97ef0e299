// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import HTTP
internal import Kernel
internal import Loop
internal import TLS

// MARK: - Time

extension TunnelConnection: TimerTarget {
    package func timerFired(_ tag: UInt32) {
        if tag == Tag.deadline {
            deadline = nil
            missedDeadline()
        } else {
            tick()
        }
    }

    func missedDeadline() {
        switch state {
        case .connecting:
            let reason =
                "connecting to \(remote): no answer within \(settings.connectTimeout.seconds) s; "
                + "a firewall between the hosts may drop port \(remote.port)"
            close(ConnectionFailure(.timeout, reason))
        case .handshaking:
            close(ConnectionFailure(.timeout, "TLS with \(remote): not finished within \(settings.handshakeTimeout.seconds) s"))
        case .settling:
            close(ConnectionFailure(.timeout, "HTTP/2 with \(remote): no SETTINGS within \(settings.settingsTimeout.seconds) s"))
        case .leaving:
            http.finishDrain()
            queueTurn()
        case .closing: drop()
        case .open, .closed: break
        }
    }

    /// The client's end decides when a tunnel was idle for too long; a client that never does is told to go in the end.
    var idleTimeout: Interval {
        guard role == .client else { return Interval(nanoseconds: 2 * settings.idleTimeout.nanoseconds) }
        return owner?.tunnelIsSpare(self) == true ? min(settings.spareTimeout, settings.idleTimeout) : settings.idleTimeout
    }

    /// Once per interval: is the peer there, and is the tunnel of use?
    func tick() {
        ticker = loop.arm(settings.pingInterval, self, tag: Tag.tick)
        // Without a stream for a whole interval: the memory for records is only lent.
        if streams == 0, loop.now.since(lastUsed) >= settings.pingInterval { tls.releaseBuffers() }
        let silence = loop.now.since(lastReceived)
        if let pingSent, loop.now.since(pingSent) >= settings.pingTimeout {
            close(ConnectionFailure(.timeout, "\(remote) didn't answer a PING for \(settings.pingTimeout.seconds) s"))
        } else if streams == 0, state == .open, loop.now.since(lastUsed) >= idleTimeout {
            leave()
        } else if pingSent == nil, silence >= settings.pingInterval {
            pingSent = loop.now
            http.ping(loop.turns & 0xffff_ffff)
            queueTurn()
        }
    }
}

// MARK: - What the session tells

extension TunnelConnection: HTTP2SessionDelegate {
    package func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {
        streams += 1
        streamsOpened += 1
        lastUsed = loop.now
        owner?.tunnelRequested(self, stream: stream, head: head)
    }

    package func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {
        guard let relay = unsafe Self.relay(context) else { return }
        if status == 200 { relay.accepted(headers) } else { relay.refused(status) }
    }

    package func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        guard let context = unsafe context else { return }
        unsafe Unmanaged<StreamRelay>.fromOpaque(context)._withUnsafeGuaranteedRef {
            noteFrame(bytes.count, of: $0)
            unsafe $0.dataReceived(bytes)
        }
    }

    package func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) { unsafe Self.relay(context)?.endReceived() }

    package func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        streams -= 1
        lastUsed = loop.now
        if let context = unsafe context {
            let relay = unsafe Unmanaged<StreamRelay>.fromOpaque(context).takeRetainedValue()
            if let abandoned { relay.tunnelFailed(abandoned) } else { relay.streamClosed(error) }
        }
        if state == .open { owner?.tunnelHasRoom(self) }
    }

    package func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead {
        guard let context = unsafe context else { return .nothing }
        return unsafe Unmanaged<StreamRelay>.fromOpaque(context)._withUnsafeGuaranteedRef {
            let read = unsafe $0.readData(into: buffer)
            if case .bytes(let count) = read { noteFrame(count, of: $0) }
            return read
        }
    }

    private func noteFrame(_ count: Int, of relay: StreamRelay) {
        if bulk.note(count, at: loop.now) { mustTellBulk = true }
        if relay.isTalking(count, at: loop.now) { talk = loop.now }
    }

    package func goAwayReceived(lastStream: Int32, error: UInt32) {
        isStale = true
        // What is open goes on; the peer closes when it is done, or we do when nothing is left.
        if streams == 0 { leave() }
        owner?.tunnelHasRoom(self)
    }

    package func pingAcknowledged(_ payload: UInt64) { pingSent = nil }

    package func settingsReceived() {
        settled()
        owner?.tunnelHasRoom(self)
    }

    static func relay(_ context: UnsafeMutableRawPointer?) -> StreamRelay? {
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<StreamRelay>.fromOpaque(context).takeUnretainedValue()
    }
}
