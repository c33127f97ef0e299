// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Loop
internal import Store
internal import Telemetry

/// Removes what a host registered itself when it has been away for longer than its grace (I21). What others wrote of its workloads stays, and so does
/// every policy. On the loop of the API.
final class RegistrationKeeper: TimerTarget {
    /// So many are removed together.
    private static let batch = 100
    private static let pause = Interval.seconds(2)

    private let state: ControlState
    private let loop: Loop
    private let log: Log
    private var due: Set<String> = []
    private var isWriting = false
    private var isArmed = false
    /// Whether a host is there again.
    var isConnected: (String) -> Bool = { _ in false }

    init(state: ControlState, loop: Loop, log: Log) {
        self.state = state
        self.loop = loop
        self.log = log
    }

    func expired(_ node: String) {
        due.insert(node)
        next()
    }

    func timerFired(_ tag: UInt32) {
        isArmed = false
        next()
    }

    private func next() {
        guard state.isLoaded, !isWriting, let node = due.first else { return }
        let made = isConnected(node) ? [] : registrations(of: node)
        guard !made.isEmpty else {
            due.remove(node)
            return next()
        }
        var transaction = StoreTransaction()
        for object in made.prefix(Self.batch) {
            transaction.conditions.append(.init(object.key, revision: object.revision))
            transaction.writes.append(.delete(object.key))
        }
        isWriting = true
        state.commit(transaction) { [weak self] outcome in
            guard let self else { return }
            isWriting = false
            switch outcome {
            case .success:
                for write in transaction.writes {
                    guard case .delete(let key) = write else { continue }
                    log.warn(
                        "removed \(key.namespace)/\(key.name), which host \(node) registered: it has been away for its grace")
                }
                next()
            case .failure:
                // Changed meanwhile, or the store is away: looked at again.
                guard !isArmed else { return }
                isArmed = true
                _ = loop.arm(Self.pause, self, tag: 0)
            }
        }
    }

    private func registrations(of node: String) -> [CachedObject] {
        state.cache.objects(Registration.resource).filter { object in
            guard Registration.nodes(in: object.text).contains(node), let tree = try? JSON.read(object.text) else { return false }
            return RegistrationMark.isMade(tree, by: node)
        }
    }
}
