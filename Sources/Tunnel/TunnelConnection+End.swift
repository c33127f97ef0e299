// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Loop
internal import TLS

// How a tunnel ends: by goodbye, in order, or at once.
extension TunnelConnection {
    /// Says goodbye: open streams finish, no new one begins, then the connection ends. One that isn't up yet says it when it is.
    package func leave() {
        isStale = true
        switch state {
        case .open:
            state = .leaving
            http.goAway()
            setDeadline(settings.goodbyeTimeout)
            queueTurn()
        case .connecting, .handshaking, .settling, .leaving, .closing, .closed: break
        }
    }

    /// Ends the tunnel and every stream in it, now. With a failure the applications see a reset.
    package func close(_ failure: ConnectionFailure?) { end(failure, isOrderly: false) }

    /// The owner was told, and nothing more is expected of the tunnel.
    var isOver: Bool { state == .closing || state == .closed }

    /// - Parameter isOrderly: what was said last (the end of the last stream, GOAWAY, an alert) must arrive: a close at once would be a reset,
    ///   which overtakes it.
    func end(_ failure: ConnectionFailure?, isOrderly: Bool) {
        guard !isOver else { return }
        let wasUp = state == .open || state == .leaving || state == .settling
        state = .closed
        isStale = true
        if let deadline = deadline.take() { loop.cancel(deadline) }
        if let ticker = ticker.take() { loop.cancel(ticker) }
        abandoned = failure ?? ConnectionFailure(.shutdown, "the tunnel to \(remote) was closed")
        if !isInSession { http.abandonStreams(HTTP2Code.cancel) } else { mustAbandon = true }
        if wasUp, isOrderly || failure == nil { tls.shutdown() }
        sendLastWords()
        if isOrderly, token != nil, tls.output.pendingCount == 0 { linger() } else { drop() }
        if !mustAbandon { tellClosed(failure) } else { lastFailure = failure }
    }

    /// Alerts and GOAWAYs that stand ready leave if the kernel takes them; nobody waits for that.
    func sendLastWords() { _ = flush() }

    /// Our end goes out; the peer's is awaited for a while, and whatever it still sends is thrown away.
    func linger() {
        guard let token else { return }
        state = .closing
        socket?.setResetOnClose(false)
        socket?.shutdownWriting()
        loop.want(.read, token)
        setDeadline(settings.goodbyeTimeout)
    }

    func drop() {
        state = .closed
        if let deadline = deadline.take() { loop.cancel(deadline) }
        if let token = token.take() { loop.unwatch(token) }
        socket = nil
    }

    /// The closing state's reading. Ends with the peer's end, or with the bound that `linger` set.
    func discard() {
        for _ in 0..<4 {
            let buffer = unsafe loop.ciphertext.bytes
            let transfer: Transfer?
            do throws(Errno) { transfer = try unsafe socket?.receive(into: buffer) } catch { transfer = nil }
            switch transfer {
            case .moved: continue
            case .wouldBlock: return
            case .endOfStream, nil: return drop()
            }
        }
    }

    func tellClosed(_ failure: ConnectionFailure?) {
        if let owner = owner.take() { owner.tunnelClosed(self, failure) }
    }

    func leaveSession() {
        isInSession = false
        if mustTellBulk {
            mustTellBulk = false
            if !isOver { owner?.tunnelTurnedBulk(self) }
        }
        guard mustAbandon else { return }
        mustAbandon = false
        http.abandonStreams(HTTP2Code.cancel)
        tellClosed(lastFailure)
    }
}
