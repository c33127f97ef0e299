// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh
internal import Telemetry
internal import Tunnel

// MARK: - What is waited for

extension OutboundConnection: TunnelWaiter {
    func tunnelReady(_ tunnel: TunnelConnection) {
        guard case .tunnelling = state, let destination = attempt.destination else { return }
        let relay = StreamRelay(worker.relays, owner: self)
        attempt.tunnel = tunnel
        let timer = worker.loop.arm(worker.settings.tunnel.replyTimeout, self, tag: Tag.reply)
        state = .asking(relay, timer)
        guard tunnel.open(relay, head: head(for: destination)) else {
            worker.loop.cancel(timer)
            state = .routing
            // The room was taken by someone before us in this very turn.
            rest()
            return
        }
        worker.metrics.streamOpened(.client)
    }

    func tunnelUnavailable(_ failure: ConnectionFailure) {
        guard case .tunnelling = state else { return }
        if failure.kind == .connect || failure.kind == .timeout || failure.kind == .tunnelLost || failure.kind == .limit {
            tryElsewhere(failure)
        } else {
            finish(failure)
        }
    }
}

extension OutboundConnection: StreamOwner {
    func streamAccepted(_ headers: HTTPHeaders) {
        guard case .asking(let relay, let timer) = state else { return }
        worker.loop.cancel(timer)
        worker.metrics.answered(.client, .ok, took: Instant.now().since(attempt.began))
        state = .streaming(relay)
        reached(.mutualTLS)
        if let application = application.take() { relay.begin(application, hasSpoken: true) }
    }

    func streamEnded(_ failure: ConnectionFailure?) {
        switch state {
        case .streaming:
            worker.metrics.streamClosed(.client)
            finish(failure)
        case .asking(_, let timer):
            worker.loop.cancel(timer)
            worker.metrics.streamClosed(.client)
            notAccepted(failure ?? ConnectionFailure(.tunnelLost, "the stream ended before it was accepted"))
        case .routing, .tunnelling, .dialling, .resting, .relaying, .over: break
        }
    }

    /// The CONNECT wasn't answered with 200. Nothing of the application was sent, so elsewhere, or once more, is safe where it can help.
    func notAccepted(_ failure: ConnectionFailure) {
        state = .routing
        let answer = failure.status.map(ConnectAnswer.init(status:)) ?? (failure.kind == .timeout ? .timeout : .reset)
        worker.metrics.answered(.client, answer, took: Instant.now().since(attempt.began))
        switch failure.kind {
        case .notTaken, .tunnelLost:
            // Not on the tunnel that refused it.
            if let tunnel = attempt.tunnel { worker.pool.abandon(tunnel) }
            guard !hasRepeatedStream else {
                tryElsewhere(ConnectionFailure(.refused, failure.reason))
                return
            }
            hasRepeatedStream = true
            worker.metrics.streamRetried()
            route()
        case .refused where failure.status == HBONE.Status.unavailable: tryElsewhere(failure)
        default: finish(failure)
        }
    }
}

extension OutboundConnection: DialWaiter {
    func dialled(_ socket: consuming Descriptor) {
        guard case .dialling = state, let application = application.take() else { return }
        let relay = SocketRelay(worker.relays, client: application, server: socket, owner: self)
        state = .relaying(relay)
        reached(record.path == .sameHost ? .mutualTLS : .unknown)
        relay.start()
    }

    func dialFailed(_ cause: Errno?) {
        guard case .dialling = state else { return }
        state = .routing
        failed(cause)
    }
}

extension OutboundConnection: RelayOwner {
    func relayEnded(_ failure: ConnectionFailure?) { finish(failure) }
}

extension OutboundConnection: TimerTarget {
    func timerFired(_ tag: UInt32) {
        switch tag {
        case Tag.deadline:
            deadline = nil
            let tried = lastFailure.map { "; the last attempt: \($0.reason)" } ?? ""
            cut(
                ConnectionFailure(
                    lastFailure?.kind ?? .timeout,
                    "\(original) not reached within \(worker.settings.reachTimeout.seconds) s\(tried)"))
        case Tag.rest: if case .resting = state { route() }
        default:
            guard case .asking(let relay, _) = state else { return }
            let limit = worker.settings.tunnel.replyTimeout.seconds
            relay.cut(ConnectionFailure(.timeout, "the CONNECT wasn't answered within \(limit) s"))
        }
    }
}
