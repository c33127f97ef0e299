// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Loop
internal import Transport
internal import Wire

/// Keeps a watch on everything of ours, whatever member it takes, and tells the history what comes. On the link's loop.
final class EtcdWatcher: GRPCStreamDelegate, TimerTarget {
    private static let pause = Interval.milliseconds(200)
    /// One answer: etcd cuts larger ones into parts of its request limit, 1.5 MiB, and one event with what stood before has twice that.
    static let answerLimit = 16 << 20

    private let link: EtcdLink
    private let keys: EtcdKeys
    private let history: EtcdHistory
    private let cluster: EtcdCluster
    private let news: @Sendable () -> Void
    private var stream: GRPCClientStream?
    private var feed: EtcdFeed
    private var timer: LoopToken?
    private var isOver = false

    init(
        _ link: EtcdLink, _ keys: EtcdKeys, _ history: EtcdHistory, _ cluster: EtcdCluster, news: @escaping @Sendable () -> Void
    ) {
        self.link = link
        self.keys = keys
        self.history = history
        self.cluster = cluster
        self.news = news
        feed = EtcdFeed(keys, after: history.head)
    }

    /// There is a connection, or it is time to try again.
    func open() {
        guard !isOver, timer == nil, stream == nil else { return }
        guard let stream = link.stream(EtcdPath.watch, limit: Self.answerLimit) else { return }
        feed = EtcdFeed(keys, after: history.head)
        stream.delegate = self
        self.stream = stream
        stream.begin()
        stream.send(EtcdRequest.watch(keys.everything, from: feed.first))
        stream.take()
    }

    func close() {
        isOver = true
        if let timer = timer.take() { link.loop.cancel(timer) }
        stream?.cancel()
        stream = nil
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        open()
    }

    private func again() {
        stream?.cancel()
        stream = nil
        guard !isOver, timer == nil else { return }
        timer = link.loop.arm(Self.pause, self, tag: 0)
    }

    // MARK: - The stream

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        guard stream === self.stream else { return }
        do throws(WireFailure) {
            let answer = try EtcdWatchAnswer(decoding: message[...])
            guard cluster.isKnown(answer.header) else { return link.suspect(link.member, "it is of another cluster") }
            if answer.isCancelled { return cancelled(answer) }
            feed.take(answer)
            if feed.isReplaced {
                history.end()
                news()
                return close()
            }
            if let lost = feed.lost {
                history.forget(upTo: lost)
                feed = EtcdFeed(keys, after: lost)
                news()
                return again()
            }
            let changes = feed.takeComplete()
            if feed.complete > history.head { history.append(changes, head: feed.complete) }
            if !answer.events.isEmpty { news() }
            stream.take()
        } catch {
            link.suspect(link.member, "its watch can't be read: \(error.reason)")
        }
    }

    private func cancelled(_ answer: EtcdWatchAnswer) {
        if answer.compacted > 0 {
            // What came between is gone: whoever follows reads everything anew, and is told by asking.
            history.forget(upTo: keys.told(answer.compacted))
            news()
        }
        if EtcdFailure.isLoginOver(answer.reason) { link.renewLogin() }
        again()
    }

    func messagesEnded(on stream: any GRPCStream) {}
    func drained(_ stream: any GRPCStream) {}

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) {
        guard stream === self.stream else { return }
        self.stream = nil
        if status.message.contains("no leader") { link.suspect(link.member, "it has no leader") }
        if EtcdFailure.isLoginOver(status.message) { link.renewLogin() }
        again()
    }
}

/// Reads changes of long ago: a watch that ends where the history begins. On the link's loop; it holds itself until it is done.
final class EtcdPast: GRPCStreamDelegate, TimerTarget {
    typealias Outcome = Result<[StoreChange], PastFailure>

    enum PastFailure: Error, Sendable {
        case compacted(UInt64)
        case failed(EtcdFailure)
    }

    private let link: EtcdLink
    private let keys: EtcdKeys
    private let end: UInt64
    private let limit: Int
    private let member: String
    private var feed: EtcdFeed
    private var done: ((Outcome) -> Void)?
    private var stream: GRPCClientStream?
    private var timer: LoopToken?
    private var held: EtcdPast?

    /// - Parameters:
    ///   - end: the last revision that is wanted; something of ours happened at it.
    ///   - limit: as many changes are enough.
    init(
        _ link: EtcdLink, _ keys: EtcdKeys, after start: UInt64, to end: UInt64, limit: Int, timeout: Interval,
        _ done: @escaping (Outcome) -> Void
    ) {
        self.link = link
        self.keys = keys
        self.end = end
        self.limit = limit
        self.done = done
        member = link.member
        feed = EtcdFeed(keys, after: start)
        guard let stream = link.stream(EtcdPath.watch, limit: EtcdWatcher.answerLimit) else {
            done(.failure(.failed(.unreached("no member of etcd answers: \(link.troubles)"))))
            return
        }
        held = self
        self.stream = stream
        timer = link.loop.arm(timeout, self, tag: 0)
        stream.delegate = self
        stream.begin()
        stream.send(EtcdRequest.watch(keys.everything, from: feed.first))
        stream.take()
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        finish(.failure(.failed(.lost("etcd at \(member): its history didn't come in time"))))
    }

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        do throws(WireFailure) {
            let answer = try EtcdWatchAnswer(decoding: message[...])
            if answer.isCancelled {
                if answer.compacted > 0 { return finish(.failure(.compacted(keys.told(answer.compacted)))) }
                if EtcdFailure.isLoginOver(answer.reason) { link.renewLogin() }
                return finish(.failure(.failed(.lost("etcd at \(member) ended a watch: \(answer.reason)"))))
            }
            feed.take(answer)
            if feed.isReplaced { return finish(.failure(.failed(.foreign(keys.replaced)))) }
            if let lost = feed.lost { return finish(.failure(.compacted(lost))) }
            let whole = feed.changes.prefix { $0.revision <= feed.complete }
            if whole.count > limit || feed.complete >= end { return finish(.success(wholeTransactions(whole, limit: limit))) }
            stream.take()
        } catch {
            finish(.failure(.failed(.foreign("\(member) isn't etcd v3: \(error.reason)"))))
        }
    }

    func messagesEnded(on stream: any GRPCStream) {}
    func drained(_ stream: any GRPCStream) {}
    func ended(_ status: GRPCStatus, on stream: any GRPCStream) { finish(.failure(.failed(EtcdFailure(status, by: member)))) }

    private func finish(_ outcome: Outcome) {
        if let timer = timer.take() { link.loop.cancel(timer) }
        stream?.cancel()
        stream = nil
        let tell = done.take()
        held = nil
        tell?(outcome)
    }
}
