// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh
internal import Telemetry
internal import Tunnel

extension OutboundConnection {
    func judge() {
        switch state {
        case .dialling(let dial) where record.path == .plain:
            // The destination may speak HBONE now (I01); nothing of the application has left.
            dial.cancel()
            route()
        case .resting(let timer):
            worker.loop.cancel(timer)
            route()
        case .tunnelling(let key):
            worker.pool.forget(self, key: key)
            route()
        case .dialling, .relaying:
            guard record.path == .sameHost, let local = attempt.local, let address = attempt.destination,
                let id = worker.snapshot.workload(uid: local.shared.uid)
            else { return }
            if let denial = judgeArrival(id, address, isFirst: false) { cut(denial) }
        case .routing, .asking, .streaming, .over: break
        }
    }

    func cut(_ failure: ConnectionFailure) {
        switch state {
        case .streaming(let relay): relay.cut(failure)
        case .relaying(let relay): relay.cut(failure)
        case .asking(let relay, _):
            // The relay would tell us, and we would look for another way.
            let relay = relay
            finish(failure)
            relay.cut(failure)
        case .routing, .tunnelling, .dialling, .resting: finish(failure)
        case .over: break
        }
    }

    func account() {
        record.account(on: worker, tally)
        arrival?.record.account(on: worker, tally)
    }

    func describe() -> ConnectionInfo {
        ConnectionInfo(
            id: registration?.number ?? 0, workload: workload.shared.name, direction: .outbound, local: record.source,
            remote: record.destination, target: original.description,
            service: attempt.service?.service.hostname, path: record.path,
            localIdentity: record.sourceIdentity?.description, remoteIdentity: record.destinationIdentity?.description,
            received: tally.received, sent: tally.sent, age: worker.loop.now.since(record.began), policy: record.verdict?.policy,
            state: stateWord, loop: worker.number)
    }

    var stateWord: String {
        switch state {
        case .routing, .tunnelling, .asking, .dialling: "connecting"
        case .resting: "retrying"
        case .streaming, .relaying: "open"
        case .over: "closed"
        }
    }
}
