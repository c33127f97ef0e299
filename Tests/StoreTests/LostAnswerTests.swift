// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kernel
import Support
import Synchronization
import Testing

@testable import Store

/// Changes that happen and whose answer gets lost on the way: a relay before a real member loses it.
@Suite(.serialized) struct LostAnswerTests {
    /// Passes bytes on, both ways. After SIGUSR1 the connections of that moment bring nothing back any more; later ones do.
    private static let relay = """
        import signal, socket, sys, threading
        listener = socket.create_server(('127.0.0.1', 0))
        print(listener.getsockname()[1], flush=True)
        muted, connections = set(), []
        def carry(number, source, target, isAnswer):
            try:
                while data := source.recv(65536):
                    if not (isAnswer and number in muted):
                        target.sendall(data)
            except OSError:
                pass
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        def accept():
            while True:
                client = listener.accept()[0]
                member = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
                connections.append((client, member))
                for pair in ((client, member, False), (member, client, True)):
                    threading.Thread(target=carry, args=(len(connections), *pair), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        def mute(*_):
            muted.update(range(1, len(connections) + 1))
            print('muted', flush=True)
        signal.signal(signal.SIGUSR1, mute)
        print('ready', flush=True)
        sys.stdin.read()
        """

    private final class Relay {
        let port: UInt16
        private let process: RunningCommand

        init(to member: UInt16) throws {
            let process = try RunningCommand(["/usr/bin/python3", "-c", LostAnswerTests.relay, "\(member)"], holdsInput: true)
            self.process = process
            try waitUntil("the relay", seconds: 10, detail: { process.err }) { process.out.contains("ready") }
            port = try #require(process.out.split(separator: "\n").first.flatMap { UInt16($0) })
        }

        /// From here on answers get lost, until who waits for them dials anew.
        func mute() throws {
            let before = process.out.count
            process.signal(SIGUSR1)
            try waitUntil("it is muted", seconds: 10) { process.out.count > before }
        }

        deinit {
            process.endInput()
            _ = process.wait(seconds: 10)
        }
    }

    private func withRelay(_ body: (Relay, EtcdStore, EtcdStore) throws -> Void) throws {
        try Etcd.withSettings { settings in
            let relay = try Relay(to: settings.endpoints[0].port)
            var mute = settings
            mute.endpoints = [EtcdSettings.Endpoint(host: "127.0.0.1", port: relay.port)]
            try body(relay, EtcdStore(mute), EtcdStore(settings))
        }
    }

    private static let key = StoreKey("services", namespace: "shop", "a")

    @Test func `I23 a change whose answer got lost happens once, and is acknowledged with its revision`() throws {
        try withRelay { relay, store, other in
            try relay.mute()
            let create = StoreTransaction(conditions: [.init(Self.key, revision: nil)], writes: [.put(Self.key, Array("1".utf8))])
            let made = try store.commit(create)
            #expect(try other.get(Self.key)?.revision == made)
            try relay.mute()
            let update = StoreTransaction(
                conditions: [.init(Self.key, revision: made)], writes: [.put(Self.key, Array("2".utf8))])
            let updated = try store.commit(update)
            #expect(try other.get(Self.key) == StoredObject(key: Self.key, value: Array("2".utf8), revision: updated))
            // Also what deletes: its mark is the clock's.
            try relay.mute()
            let end = try store.commit(
                StoreTransaction(conditions: [.init(Self.key, revision: updated)], writes: [.delete(Self.key)]))
            #expect(try other.get(Self.key) == nil)
            let changes = try other.changes(after: made - 1, limit: 10)
            #expect(changes.map(\.revision) == [made, updated, end])
        }
    }

    @Test func `I23 a conflict stays one when the answer that tells it got lost`() throws {
        try withRelay { relay, store, other in
            let made = try other.put(Self.key, "theirs")
            try relay.mute()
            let refused = failure { () throws(StoreFailure) in
                try store.commit(
                    StoreTransaction(conditions: [.init(Self.key, revision: nil)], writes: [.put(Self.key, Array("ours".utf8))]))
            }
            // It can't be known any more whether an earlier copy happened and was replaced: never is it told that it happened.
            guard case .unavailable = refused else {
                Issue.record("\(refused.debugDescription)")
                return
            }
            #expect(try store.get(Self.key) == StoredObject(key: Self.key, value: Array("theirs".utf8), revision: made))
        }
    }

    @Test func `I23 a conflict whose answer got lost is told where a revision says that nothing happened`() throws {
        try withRelay { relay, store, other in
            let made = try other.put(Self.key, "1")
            var last = made
            // More than one change of others lies between.
            for text in ["2", "3", "4"] { last = try other.put(Self.key, text) }
            try relay.mute()
            let refused = failure { () throws(StoreFailure) in
                try store.commit(
                    StoreTransaction(conditions: [.init(Self.key, revision: made)], writes: [.put(Self.key, Array("ours".utf8))]))
            }
            #expect(refused == .conflict(Self.key, current: StoredObject(key: Self.key, value: Array("4".utf8), revision: last)))
            #expect(try other.text(Self.key) == "4")
        }
    }

    @Test func `I23 a change that happened and was replaced before its answer was missed is acknowledged`() throws {
        try withRelay { relay, store, other in
            let made = try other.put(Self.key, "1")
            try relay.mute()
            let acknowledged = Mutex<Result<UInt64, StoreFailure>?>(nil)
            try concurrently(2) { number in
                guard number == 0 else {
                    // Others replace it twice as soon as it is there, before anybody asks again.
                    let end = Instant.now() + .seconds(10)
                    while Instant.now() < end, (try? other.text(Self.key)) != "ours" { Thread.sleep(.milliseconds(2)) }
                    for text in ["theirs", "again"] { _ = try? other.put(Self.key, text) }
                    return
                }
                let update = StoreTransaction(
                    conditions: [.init(Self.key, revision: made)], writes: [.put(Self.key, Array("ours".utf8))])
                let result: Result<UInt64, StoreFailure>
                do throws(StoreFailure) { result = .success(try store.commit(update)) } catch { result = .failure(error) }
                acknowledged.withLock { $0 = result }
            }
            let changes = try other.changes(after: made, limit: 10)
            #expect(changes.map { $0.value.map { String(decoding: $0, as: UTF8.self) } } == ["ours", "theirs", "again"])
            let ours = try #require(changes.first?.revision)
            #expect(acknowledged.withLock { $0 } == .success(ours))
        }
    }

    @Test func `I23 what could happen twice is sent once`() throws {
        try withRelay { relay, store, other in
            let made = try other.put(Self.key, "1")
            try relay.mute()
            let refused = failure { () throws(StoreFailure) in try store.put(Self.key, "2") }
            guard case .unavailable = refused else {
                Issue.record("\(refused.debugDescription)")
                return
            }
            #expect(try other.changes(after: made, limit: 10).count == 1)
        }
    }
}
