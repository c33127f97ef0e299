// SPDX-License-Identifier: Apache-2.0

internal import Wire

/// Answers of etcd's gRPC API, by the numbers of etcdserverpb/rpc.proto and mvccpb/kv.proto. What isn't known is passed over. Pure; the length of
/// what is read was bounded before.
protocol EtcdAnswer: Sendable {
    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure)
    var header: EtcdHeader { get }
}

/// Who answers, and at which revision the cluster is.
struct EtcdHeader: Hashable, Sendable {
    var cluster: UInt64 = 0
    var revision: UInt64 = 0

    init() {}

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: cluster = try field.varint()
            case 3: revision = try field.varint()
            default: continue
            }
        }
    }
}

struct EtcdKeyValue: Hashable, Sendable {
    var key: ArraySlice<UInt8> = []
    /// Of the change that made it so.
    var revision: UInt64 = 0
    /// How often it was written since it was made; 0: it was deleted.
    var version: UInt64 = 0
    var value: ArraySlice<UInt8> = []

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.bytes()
            case 3: revision = try field.varint()
            case 4: version = try field.varint()
            case 5: value = try field.bytes()
            default: continue
            }
        }
    }
}

struct EtcdRangeAnswer: EtcdAnswer {
    private(set) var header = EtcdHeader()
    private(set) var values: [EtcdKeyValue] = []
    /// There is more than was asked for.
    private(set) var hasMore = false

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: header = try EtcdHeader(decoding: field.bytes())
            case 2: values.append(try EtcdKeyValue(decoding: field.bytes()))
            case 3: hasMore = try field.varint() != 0
            default: continue
            }
        }
    }
}

struct EtcdTransactionAnswer: EtcdAnswer {
    private(set) var header = EtcdHeader()
    private(set) var succeeded = false
    /// Of the ranges among the operations, in their order.
    private(set) var ranges: [EtcdRangeAnswer] = []

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: header = try EtcdHeader(decoding: field.bytes())
            case 2: succeeded = try field.varint() != 0
            case 3:
                var inner = ProtobufReader(try field.bytes())
                while let part = try inner.next() {
                    if part.number == 1 { ranges.append(try EtcdRangeAnswer(decoding: part.bytes())) }
                }
            default: continue
            }
        }
    }
}

struct EtcdEvent: Hashable, Sendable {
    private(set) var isDeletion = false
    private(set) var now: EtcdKeyValue?
    private(set) var before: EtcdKeyValue?

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: isDeletion = try field.varint() == 1
            case 2: now = try EtcdKeyValue(decoding: field.bytes())
            case 3: before = try EtcdKeyValue(decoding: field.bytes())
            default: continue
            }
        }
    }
}

struct EtcdWatchAnswer: EtcdAnswer {
    private(set) var header = EtcdHeader()
    private(set) var isCancelled = false
    /// What was asked for before this revision isn't known any more; 0: it is.
    private(set) var compacted: UInt64 = 0
    private(set) var reason = ""
    /// The rest of its events follows.
    private(set) var isFragment = false
    private(set) var events: [EtcdEvent] = []

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: header = try EtcdHeader(decoding: field.bytes())
            case 4: isCancelled = try field.varint() != 0
            case 5: compacted = try field.varint()
            case 6: reason = try field.string()
            case 7: isFragment = try field.varint() != 0
            case 11: events.append(try EtcdEvent(decoding: field.bytes()))
            default: continue
            }
        }
    }
}

/// Of a grant and of a renewal.
struct EtcdLeaseAnswer: EtcdAnswer {
    private(set) var header = EtcdHeader()
    private(set) var lease: UInt64 = 0
    /// Seconds that it is good for; 0: it has ended.
    private(set) var seconds: UInt64 = 0

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: header = try EtcdHeader(decoding: field.bytes())
            case 2: lease = try field.varint()
            case 3: seconds = try field.varint()
            default: continue
            }
        }
    }
}

/// Of a login.
struct EtcdTokenAnswer: EtcdAnswer {
    private(set) var header = EtcdHeader()
    private(set) var token = ""

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: header = try EtcdHeader(decoding: field.bytes())
            case 2: token = try field.string()
            default: continue
            }
        }
    }
}

/// One that is looked at for its header alone.
struct EtcdPlainAnswer: EtcdAnswer {
    private(set) var header = EtcdHeader()

    init(decoding bytes: ArraySlice<UInt8>) throws(WireFailure) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            if field.number == 1 { header = try EtcdHeader(decoding: field.bytes()) }
        }
    }
}
