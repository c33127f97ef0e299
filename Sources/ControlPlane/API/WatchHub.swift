// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop
internal import Store

/// All watches. On the loop of the API.
final class WatchHub: StateObserver, TimerTarget {
    /// Watches at once, and of one client.
    static let limit = 4000
    /// How often a watch that asked for it is told how far it is, if it has moved.
    private static let bookmarks = Interval.seconds(30)

    let loop: Loop
    private unowned let state: ControlState
    private var watches: [ObjectIdentifier: Watch] = [:]

    init(state: ControlState, loop: Loop) {
        self.state = state
        self.loop = loop
        state.observe(self)
        _ = loop.arm(Self.bookmarks, self, tag: 0)
    }

    var ring: ChangeRing { state.ring }
    var count: Int { watches.count }

    /// Takes over a watch and begins it.
    func add(_ watch: Watch, for time: Interval) {
        watches[ObjectIdentifier(watch)] = watch
        watch.begin(for: time)
    }

    /// Ends the watches of somebody who may no longer ask.
    func revoke(_ owner: String) { for watch in watches.values where watch.owner == owner { watch.revoke() } }

    func left(_ watch: Watch) { watches[ObjectIdentifier(watch)] = nil }

    func stateLoaded(_ state: ControlState) { for watch in watches.values { watch.advance() } }

    func stateChanged(_ state: ControlState, _ changes: [StoreChange]) { for watch in watches.values { watch.advance() } }

    func timerFired(_ tag: UInt32) {
        for watch in watches.values { watch.mark() }
        _ = loop.arm(Self.bookmarks, self, tag: 0)
    }
}
