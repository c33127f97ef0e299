// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop
internal import Synchronization
internal import Wire

/// Which cluster answers: the first one that did, for as long as this process follows it. A cluster that was made anew has another number, and
/// revisions that mean something else.
final class EtcdCluster: Sendable {
    private let number = Mutex<UInt64?>(nil)

    func isKnown(_ header: EtcdHeader) -> Bool {
        number.withLock { number in
            if number == nil, header.cluster != 0 { number = header.cluster }
            return number == header.cluster
        }
    }
}

/// A place for what another thread brings.
final class Reply<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let semaphore = Semaphore()

    func give(_ value: Value) {
        self.value.withLock { $0 = value }
        semaphore.signal()
    }

    /// Nil when its time is up.
    func wait(until end: Instant) -> Value? { semaphore.wait(until: end) ? value.withLock { $0 } : nil }
}

/// Calls of etcd for threads that may block: a thread with a loop holds the connection, whoever calls waits for it, for a bounded time. Safe from any
/// thread but that loop's. Ends with `close`.
final class EtcdClient: Sendable {
    /// What is done on the loop.
    enum Errand: Sendable {
        case call(path: String, message: [UInt8], limit: Int, timeout: Interval, Reply<Result<[UInt8], EtcdFailure>>)
        case follow(EtcdKeys, EtcdHistory, news: @Sendable () -> Void)
        case past(EtcdKeys, after: UInt64, to: UInt64, limit: Int, timeout: Interval, Reply<EtcdPast.Outcome>)
        case keep(EtcdLease)
        case drop(EtcdLease)
        case close
    }

    /// For one member to answer: longer than an election takes, and a disk that hangs.
    static let attempt = Interval.seconds(3)
    /// The same for what is small and may be sent twice, while an election may be on: what a member passed on to a leader that died is lost without a
    /// word, and who waits longer waits in vain.
    static let quickAttempt = Interval.seconds(1)
    private static let election = Interval.seconds(2)
    /// For all of a call: what one member doesn't do in time another may.
    static let patience = Interval.seconds(5)
    /// Of answers: a page of a list is cut so that it fits.
    static let answerLimit = 32 << 20
    private static let pause = Interval.milliseconds(100)

    private let errands: Mailbox<Errand>
    private let cluster = EtcdCluster()
    private let settings: EtcdSettings

    init(_ settings: EtcdSettings) throws(StoreFailure) {
        self.settings = settings
        do throws(Errno) {
            let errands = try Mailbox<Errand>()
            self.errands = errands
            let cluster = cluster
            _ = try Thread(name: "etcd") {
                do throws(Errno) {
                    let worker = try EtcdWorker(settings, cluster)
                    try worker.run(errands)
                } catch {
                    bug("the loop of the connection to etcd can't be made: \(error)")
                }
            }
        } catch { throw .unavailable("etcd: no thread for the connection: \(error)") }
    }

    func send(_ errand: Errand) { errands.send(errand) }

    func close() { errands.send(.close) }

    // MARK: - Calls

    /// How long the next attempt at something small waits, of a call that began at a time.
    static func attempt(since begin: Instant) -> Interval { Instant.now() < begin + election ? quickAttempt : attempt }

    /// Asks, and asks again while that can do no harm.
    /// - Parameters:
    ///   - isRead: asking twice is as good as asking once.
    ///   - isQuick: it is small, so that whoever can answer does so soon.
    ///   - begin: when the first attempt was made.
    func call<Answer: EtcdAnswer>(
        _ path: String, _ message: [UInt8], isRead: Bool = true, isQuick: Bool = false, since begin: Instant = .now(),
        as type: Answer.Type = Answer.self
    ) throws(EtcdFailure) -> Answer {
        let end = begin + Self.patience
        while true {
            let timeout = min(end.since(.now()), isQuick ? Self.attempt(since: begin) : Self.attempt)
            let reply = Reply<Result<[UInt8], EtcdFailure>>()
            errands.send(.call(path: path, message: message, limit: Self.answerLimit, timeout: timeout, reply))
            // The call has its own time-out; this one is for a loop that hangs.
            let result = reply.wait(until: .now() + timeout + .seconds(2)) ?? .failure(.lost("the connection to etcd hangs"))
            switch result {
            case .success(let bytes): return try decode(bytes)
            case .failure(let failure):
                var isHarmless = isRead && failure.isTransient
                if case .unreached = failure { isHarmless = true }
                guard isHarmless, Instant.now() + Self.pause + Self.pause < end else { throw failure.explained(settings) }
                Thread.sleep(Self.pause)
            }
        }
    }

    private func decode<Answer: EtcdAnswer>(_ bytes: [UInt8]) throws(EtcdFailure) -> Answer {
        let answer: Answer
        do throws(WireFailure) {
            answer = try Answer(decoding: bytes[...])
        } catch {
            throw .foreign("etcd's answer can't be read: \(error.reason)")
        }
        guard cluster.isKnown(answer.header) else {
            throw .foreign(
                "etcd answers as another cluster than before (\(String(answer.header.cluster, radix: 16))): if it was made anew on purpose, "
                    + "restart the control plane"
            )
        }
        return answer
    }

    /// Changes of long ago.
    func past(
        _ keys: EtcdKeys, after start: UInt64, to end: UInt64, limit: Int
    ) throws(StoreFailure) -> [StoreChange] {
        let last = Instant.now() + Self.patience
        while true {
            let reply = Reply<EtcdPast.Outcome>()
            let timeout = max(last.since(.now()), .seconds(1))
            errands.send(.past(keys, after: start, to: end, limit: limit, timeout: timeout, reply))
            switch reply.wait(until: .now() + timeout + .seconds(2)) {
            case .success(let changes)?: return changes
            case .failure(.compacted(let oldest))?: throw .compacted(oldest: oldest)
            case .failure(.failed(let failure))?:
                guard failure.isTransient, Instant.now() + Self.pause + Self.pause < last else { throw failure.storeFailure }
                Thread.sleep(Self.pause)
            case nil: throw .unavailable("the connection to etcd hangs")
            }
        }
    }
}

/// What of a client lives on its loop: the connection, the watch, the leases.
private final class EtcdWorker {
    private let loop: Loop
    private let link: EtcdLink
    private let cluster: EtcdCluster
    private let leases: EtcdLeaseKeeper
    private var watcher: EtcdWatcher?

    init(_ settings: EtcdSettings, _ cluster: EtcdCluster) throws(Errno) {
        loop = try Loop()
        link = try EtcdLink(settings, loop: loop)
        self.cluster = cluster
        leases = EtcdLeaseKeeper(link)
    }

    func run(_ errands: Mailbox<EtcdClient.Errand>) throws(Errno) {
        try errands.attach(to: loop) { [unowned self] in take($0) }
        link.onOpen = { [unowned self] in
            watcher?.open()
            leases.open()
        }
        link.start()
        loop.run()
    }

    private func take(_ errand: EtcdClient.Errand) {
        switch errand {
        case .call(let path, let message, let limit, let timeout, let reply):
            link.call(path, message, limit: limit, timeout: timeout) { reply.give($0) }
        case .follow(let keys, let history, let news):
            let watcher = EtcdWatcher(link, keys, history, cluster, news: news)
            self.watcher = watcher
            watcher.open()
        case .past(let keys, let start, let end, let limit, let timeout, let reply):
            _ = EtcdPast(link, keys, after: start, to: end, limit: limit, timeout: timeout) { reply.give($0) }
        case .keep(let lease): leases.keep(lease)
        case .drop(let lease): leases.drop(lease)
        case .close:
            watcher?.close()
            watcher = nil
            leases.close()
            link.close()
            loop.stop()
        }
    }
}
