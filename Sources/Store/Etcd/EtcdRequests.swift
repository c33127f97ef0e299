// SPDX-License-Identifier: Apache-2.0

internal import Wire

/// Requests of etcd's gRPC API, by the numbers of etcdserverpb/rpc.proto. Pure.
enum EtcdPath {
    static let range = "/etcdserverpb.KV/Range"
    static let transaction = "/etcdserverpb.KV/Txn"
    static let compact = "/etcdserverpb.KV/Compact"
    static let watch = "/etcdserverpb.Watch/Watch"
    static let grant = "/etcdserverpb.Lease/LeaseGrant"
    static let revoke = "/etcdserverpb.Lease/LeaseRevoke"
    static let keepAlive = "/etcdserverpb.Lease/LeaseKeepAlive"
    static let authenticate = "/etcdserverpb.Auth/Authenticate"
}

/// A `RangeRequest`: linearisable, so that it sees every write that was acknowledged to anybody.
struct EtcdRange {
    var key: [UInt8]
    /// Empty: the key alone.
    var end: [UInt8] = []
    /// 0: none.
    var limit: UInt64 = 0
    /// 0: the newest.
    var revision: UInt64 = 0
    var isKeysOnly = false

    var bytes: [UInt8] {
        var writer = ProtobufWriter()
        write(to: &writer)
        return writer.bytes
    }

    fileprivate func write(to writer: inout ProtobufWriter) {
        writer.write(bytes: key, field: 1)
        if !end.isEmpty { writer.write(bytes: end, field: 2) }
        if limit > 0 { writer.write(varint: limit, field: 3) }
        if revision > 0 { writer.write(varint: revision, field: 4) }
        if isKeysOnly { writer.write(varint: 1, field: 8) }
    }
}

/// A `TxnRequest`: all of `success` if every key has the revision that is said of it, otherwise all of `failure`.
struct EtcdTransaction {
    enum Operation {
        case range(EtcdRange)
        case put([UInt8], [UInt8], lease: UInt64 = 0)
        case delete([UInt8])
        case clear(EtcdKeys.Span)
    }

    /// Keys and their revisions; 0: there is none.
    var compares: [(key: [UInt8], revision: UInt64)] = []
    var success: [Operation] = []
    var failure: [Operation] = []

    var bytes: [UInt8] {
        var writer = ProtobufWriter()
        for compare in compares {
            writer.write(message: 1) { inner in
                // EQUAL is 0, which isn't written; MOD is 2.
                inner.write(varint: 2, field: 2)
                inner.write(bytes: compare.key, field: 3)
                inner.write(varint: compare.revision, field: 6)
            }
        }
        for operation in success { Self.write(operation, 2, to: &writer) }
        for operation in failure { Self.write(operation, 3, to: &writer) }
        return writer.bytes
    }

    private static func write(_ operation: Operation, _ field: UInt32, to writer: inout ProtobufWriter) {
        writer.write(message: field) { inner in
            switch operation {
            case .range(let range): inner.write(message: 1) { range.write(to: &$0) }
            case .put(let key, let value, let lease):
                inner.write(message: 2) { put in
                    put.write(bytes: key, field: 1)
                    put.write(bytes: value, field: 2)
                    if lease != 0 { put.write(varint: lease, field: 3) }
                }
            case .delete(let key): inner.write(message: 3) { $0.write(bytes: key, field: 1) }
            case .clear(let span):
                inner.write(message: 3) { delete in
                    delete.write(bytes: span.key, field: 1)
                    delete.write(bytes: span.end, field: 2)
                }
            }
        }
    }
}

/// The small ones.
enum EtcdRequest {
    static func compact(_ revision: UInt64) -> [UInt8] { number(revision, field: 1) }

    /// Events from a revision on, with what stood before, a large answer in parts.
    static func watch(_ span: EtcdKeys.Span, from revision: UInt64) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.write(message: 1) { create in
            create.write(bytes: span.key, field: 1)
            create.write(bytes: span.end, field: 2)
            create.write(varint: revision, field: 3)
            create.write(varint: 1, field: 6)
            create.write(varint: 1, field: 8)
        }
        return writer.bytes
    }

    /// - Parameter seconds: after which it ends if it isn't renewed.
    static func grant(seconds: UInt64) -> [UInt8] { number(seconds, field: 1) }
    static func revoke(_ lease: UInt64) -> [UInt8] { number(lease, field: 1) }
    static func keepAlive(_ lease: UInt64) -> [UInt8] { number(lease, field: 1) }

    static func authenticate(user: String, password: String) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.write(bytes: Array(user.utf8), field: 1)
        writer.write(bytes: Array(password.utf8), field: 2)
        return writer.bytes
    }

    private static func number(_ value: UInt64, field: UInt32) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.write(varint: value, field: field)
        return writer.bytes
    }
}
