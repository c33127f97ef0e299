// SPDX-License-Identifier: Apache-2.0

import Kernel
import Loop
import Store
import Support
import Testing

@testable import ControlPlane

/// The way from a commit into memory, over a real store on its own thread.
@Suite struct ControlStateTests {
    private final class Recorder: StateObserver {
        var loads = 0
        var changes: [StoreChange] = []
        func stateLoaded(_ state: ControlState) { loads += 1 }
        func stateChanged(_ state: ControlState, _ changes: [StoreChange]) { self.changes += changes }
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        try body("\(folder)/control.db")
    }

    private func run(_ loop: Loop, _ what: String, until isDone: () -> Bool) throws {
        let end = Instant.now() + .seconds(20)
        while !isDone() {
            try #require(Instant.now() < end, "\(what) took too long")
            loop.turn(wait: .milliseconds(50))
        }
    }

    private static let key = StoreKey("services", namespace: "shop", "a")

    @Test func `who is told that a change is made finds it in memory`() throws {
        try withFolder { path in
            let loop = try Loop()
            let state = try ControlState(store: SQLiteStore(path: path), loop: loop)
            let recorder = Recorder()
            state.observe(recorder)
            try run(loop, "loading") { state.isLoaded }
            var seen: UInt64?
            state.commit(StoreTransaction(writes: [.put(Self.key, [1])])) { outcome in
                #expect((try? outcome.get()) == state.cache.object(Self.key)?.revision)
                seen = state.cache.object(Self.key)?.revision
            }
            try run(loop, "the commit") { seen != nil }
            #expect(recorder.loads == 1)
            #expect(recorder.changes.map(\.key) == [Self.key])
            var conflict: StoreFailure?
            state.commit(StoreTransaction(conditions: [.init(Self.key, revision: nil)], writes: [.put(Self.key, [2])])) {
                if case .failure(let failure) = $0 { conflict = failure }
            }
            try run(loop, "the conflict") { conflict != nil }
            guard case .conflict(Self.key, .some) = conflict else {
                Issue.record("\(conflict.debugDescription)")
                return
            }
        }
    }

    @Test func `what another hand commits shows too`() throws {
        try withFolder { path in
            let store = try SQLiteStore(path: path)
            let loop = try Loop()
            let state = try ControlState(store: store, loop: loop)
            try run(loop, "loading") { state.isLoaded }
            _ = try store.commit(StoreTransaction(writes: [.put(Self.key, [1])]))
            try run(loop, "the change") { state.cache.object(Self.key) != nil }
        }
    }

    @Test func `after a restart a watch can go on from before it`() throws {
        try withFolder { path in
            let first: UInt64
            do {
                let store = try SQLiteStore(path: path)
                first = try store.commit(StoreTransaction(writes: [.put(Self.key, [1])]))
                _ = try store.commit(StoreTransaction(writes: [.put(Self.key, [2]), .put(StoreKey("services", "b"), [1])]))
                _ = try store.commit(StoreTransaction(writes: [.delete(Self.key)]))
            }
            let loop = try Loop()
            let state = try ControlState(store: SQLiteStore(path: path), loop: loop)
            try run(loop, "loading") { state.isLoaded }
            let number = try #require(state.ring.number(after: first))
            let missed = (number..<state.ring.end).compactMap { state.ring[$0] }
            #expect(missed.map(\.revision) == [first + 1, first + 1, first + 2])
            #expect(missed.last?.value == nil)
        }
    }

    @Test func `history that was compacted away is told to be gone`() throws {
        try withFolder { path in
            let last: UInt64
            do {
                let store = try SQLiteStore(path: path)
                for value in 1...9 as ClosedRange<UInt8> {
                    _ = try store.commit(StoreTransaction(writes: [.put(Self.key, [value])]))
                }
                last = try store.revision()
                try store.compact(before: last - 2)
            }
            let loop = try Loop()
            let state = try ControlState(store: SQLiteStore(path: path), loop: loop)
            try run(loop, "loading") { state.isLoaded }
            #expect(state.ring.number(after: last - 5) == nil)
            #expect(state.ring.number(after: last - 1) != nil)
        }
    }

    @Test func `a thousand commits at once are made in order, more are refused at once`() throws {
        try withFolder { path in
            let loop = try Loop()
            let state = try ControlState(store: SQLiteStore(path: path), loop: loop)
            try run(loop, "loading") { state.isLoaded }
            var (made, refused): ([UInt64], Int) = ([], 0)
            for number in 0..<3000 {
                state.commit(StoreTransaction(writes: [.put(Self.key, Array("\(number)".utf8))])) { outcome in
                    switch outcome {
                    case .success(let revision): made.append(revision)
                    case .failure: refused += 1
                    }
                }
            }
            #expect(refused > 0)
            try run(loop, "the commits") { made.count + refused == 3000 }
            #expect(made == made.sorted() && made.count >= 1024)
        }
    }

    @Test func `what waits for the disk is bounded in bytes, and what is larger than that is made when nothing waits`() throws {
        try withFolder { path in
            let loop = try Loop()
            let state = try ControlState(store: SQLiteStore(path: path), loop: loop)
            try run(loop, "loading") { state.isLoaded }
            let large = [UInt8](repeating: UInt8(ascii: "1"), count: 3 << 20)
            var (made, refused) = (0, 0)
            for _ in 0..<100 {
                state.commit(StoreTransaction(writes: [.put(Self.key, large)])) { outcome in
                    switch outcome {
                    case .success: made += 1
                    case .failure(let failure):
                        #expect(failure == ControlState.tooMany)
                        refused += 1
                    }
                }
            }
            #expect(refused > 50)
            try run(loop, "the commits") { made + refused == 100 }
            #expect(made >= 5)
            let huge = [UInt8](repeating: UInt8(ascii: "1"), count: 17 << 20)
            state.commit(StoreTransaction(writes: [.put(Self.key, huge)])) { if case .success = $0 { made += 1 } }
            let before = made
            try run(loop, "the large one") { made == before + 1 }
        }
    }
}
