// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Mesh
internal import Store

/// A host that was evicted, as it is kept in the store until its last certificate has ended: every host is told. A value.
struct EvictionRecord: Equatable {
    let tag: HostTag
    let node: String
    /// When the host joined that is meant: one that took its name later is another.
    let joined: Int64
    /// Unix seconds.
    let until: Int64

    var key: StoreKey { StoreKey(PublishedKind.evictions, tag.description) }
    var eviction: Eviction { Eviction(tag: tag, node: node) }
    var text: [UInt8] {
        Value.object([("node", .string(node)), ("joined", .integer(joined)), ("until", .integer(until))]).jsonBytes
    }

    init(tag: HostTag, node: String, joined: Int64, until: Int64) {
        self.tag = tag
        self.node = node
        self.joined = joined
        self.until = until
    }

    /// From the store; nil if it is damaged.
    init?(key: StoreKey, text: [UInt8]) {
        guard let tag = HostTag(key.name), let value = try? JSON.read(text), let node = value["node"]?.stringValue,
            let joined = value["joined"]?.integerValue, let until = value["until"]?.integerValue
        else { return nil }
        self.init(tag: tag, node: node, joined: joined, until: until)
    }
}
