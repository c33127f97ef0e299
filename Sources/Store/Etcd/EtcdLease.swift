// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Loop
internal import Synchronization
internal import Transport
internal import Wire

/// A name that this process has in etcd until it says otherwise, or isn't heard of for `lifetime`. Any thread asks; the keeper renews it.
final class EtcdLease: StoreLease {
    /// After which etcd gives the name to others: longer than an election and a change of members take.
    static let lifetime: UInt64 = 6

    let name: String
    let number: UInt64
    private let client: EtcdClient
    private let keys: EtcdKeys
    /// Of the store's record, as it stood when this process came.
    private let record: UInt64
    /// When the renewal was sent that was answered last: etcd counts from later on.
    private let renewed: Mutex<Instant?>

    init(_ name: String, number: UInt64, since: Instant, of store: EtcdStore) {
        self.name = name
        self.number = number
        client = store.client
        keys = store.keys
        record = store.record.revision
        renewed = Mutex(since)
    }

    var isHeld: Bool {
        renewed.withLock { renewed in
            guard let renewed else { return false }
            return Instant.now() < renewed + .seconds(Self.lifetime)
        }
    }

    func renew(at time: Instant) { renewed.withLock { if $0 != nil { $0 = time } } }
    func end() { renewed.withLock { $0 = nil } }

    /// Twice is as good as once. A copy that comes late may undo a newer one: whoever reads the names sees that.
    func say(_ value: [UInt8]) throws(StoreFailure) {
        guard isHeld else { throw .unavailable("etcd: the name \(name) is lost") }
        var request = EtcdTransaction()
        request.compares = [(keys.store, record)]
        // etcd refuses it once the lease is over, and with the lease the name: it is nobody else's that is written.
        request.success = [.put(keys.lease(name), value, lease: number)]
        do throws(EtcdFailure) {
            let answer: EtcdTransactionAnswer = try client.call(EtcdPath.transaction, request.bytes, isQuick: true)
            guard answer.succeeded else { throw .foreign(keys.replaced) }
        } catch { throw error.storeFailure }
    }

    func release() {
        end()
        client.send(.drop(self))
        // What isn't heard ends by itself.
        _ = try? client.call(EtcdPath.revoke, EtcdRequest.revoke(number), as: EtcdPlainAnswer.self)
    }
}

/// Renews leases, all by one call. On the link's loop.
final class EtcdLeaseKeeper: GRPCStreamDelegate, TimerTarget {
    private static let interval = Interval.seconds(2)

    private let link: EtcdLink
    private var leases: [UInt64: EtcdLease] = [:]
    private var sent: [UInt64: Instant] = [:]
    private var stream: GRPCClientStream?
    private var timer: LoopToken?

    init(_ link: EtcdLink) { self.link = link }

    func keep(_ lease: EtcdLease) {
        leases[lease.number] = lease
        open()
    }

    func drop(_ lease: EtcdLease) { leases[lease.number] = nil }

    func open() {
        guard !leases.isEmpty else { return }
        if stream == nil, let stream = link.stream(EtcdPath.keepAlive, limit: 1 << 16) {
            stream.delegate = self
            self.stream = stream
            stream.begin()
            stream.take()
            sent = [:]
            renew()
        }
        if timer == nil { timer = link.loop.arm(Self.interval, self, tag: 0) }
    }

    func close() {
        if let timer = timer.take() { link.loop.cancel(timer) }
        stream?.cancel()
        stream = nil
        leases = [:]
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        leases = leases.filter { $0.value.isHeld }
        if stream != nil { renew() }
        open()
    }

    private func renew() {
        for number in leases.keys where sent[number] == nil {
            sent[number] = link.loop.now
            stream?.send(EtcdRequest.keepAlive(number))
        }
    }

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        if let answer = try? EtcdLeaseAnswer(decoding: message[...]), let lease = leases[answer.lease] {
            let time = sent.removeValue(forKey: answer.lease)
            if answer.seconds == 0 {
                lease.end()
                leases[answer.lease] = nil
            } else if let time {
                lease.renew(at: time)
            }
        }
        stream.take()
    }

    func messagesEnded(on stream: any GRPCStream) {}
    func drained(_ stream: any GRPCStream) {}

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) {
        guard stream === self.stream else { return }
        self.stream = nil
        sent = [:]
    }
}
