// SPDX-License-Identifier: Apache-2.0

/// Where things stand in etcd, and how its revisions are told. Pure.
///
///     /warren/store                                identity and version of what stands here, made once; without it nothing is served
///     /warren/import                               a whole store is being put here: what stands may be half of it
///     /warren/clock                                written by every change: its revision is the newest of ours, whoever else uses the cluster
///     /warren/objects/services/shop/web            objects: resource, namespace, name
///     /warren/leases/replica/…                     what ends with who holds it
struct EtcdKeys: Hashable, Sendable {
    let prefix: String
    let store: [UInt8]
    let clock: [UInt8]
    let importing: [UInt8]
    /// What is added to a revision of the cluster's: a store that came from elsewhere goes on above all that was told there (I21).
    var base: UInt64 = 0
    private let objects: [UInt8]
    private let leases: [UInt8]

    init(prefix: String) {
        self.prefix = prefix
        store = Array("\(prefix)/store".utf8)
        clock = Array("\(prefix)/clock".utf8)
        importing = Array("\(prefix)/import".utf8)
        objects = Array("\(prefix)/objects/".utf8)
        leases = Array("\(prefix)/leases/".utf8)
    }

    /// Keys from the first up to the second, which isn't one of them.
    typealias Span = (key: [UInt8], end: [UInt8])

    var everything: Span { Self.below(Array("\(prefix)/".utf8)) }
    var allLeases: Span { Self.below(leases) }

    func objects(_ resource: String?, namespace: String?) -> Span {
        guard let resource else { return Self.below(objects) }
        let all = objects + Self.escaped(resource) + [Self.slash]
        guard let namespace else { return Self.below(all) }
        return Self.below(all + Self.escaped(namespace) + [Self.slash])
    }

    func key(_ key: StoreKey) -> [UInt8] {
        let parts = [key.resource, key.namespace, key.name].map(Self.escaped)
        return objects + Array(parts.joined(separator: [Self.slash]))
    }

    /// Nil if no object of ours is there.
    func object(_ key: ArraySlice<UInt8>) -> StoreKey? {
        guard key.starts(with: objects) else { return nil }
        let parts = key.dropFirst(objects.count).split(separator: Self.slash, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        let texts = parts.compactMap(Self.unescaped)
        guard texts.count == 3 else { return nil }
        return StoreKey(texts[0], namespace: texts[1], texts[2])
    }

    func lease(_ name: String) -> [UInt8] { leases + Self.escaped(name) }

    func leaseName(_ key: ArraySlice<UInt8>) -> String? {
        key.starts(with: leases) ? Self.unescaped(key.dropFirst(leases.count)) : nil
    }

    /// Why a replica that had the store before another came in its place does nothing more.
    var replaced: String { "etcd: another store was put in place of the one at \(prefix): restart the control plane" }

    // MARK: - Revisions

    /// A revision of the cluster's as we tell it.
    func told(_ revision: UInt64) -> UInt64 { base &+ revision }

    /// A revision of ours as the cluster has it; 0: from before it was here.
    func asked(_ revision: UInt64) -> UInt64 { revision > base ? revision - base : 0 }

    /// What a condition asks of a key. What was told elsewhere stands nowhere here.
    func compared(_ revision: UInt64?) -> UInt64 {
        guard let revision else { return 0 }
        return revision > base ? revision - base : UInt64(Int64.max)
    }

    // MARK: - Bytes

    private static let slash = UInt8(ascii: "/")
    private static let percent = UInt8(ascii: "%")

    private static func below(_ start: [UInt8]) -> Span {
        var end = start
        // It ends in a slash, to which one can be added.
        if let last = end.popLast() { end.append(last + 1) }
        return (start, end)
    }

    /// Names of the API stand as they are; all else as `%` and two digits, so that no name is another's place.
    private static func escaped(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isPlain(byte) { bytes.append(byte) } else { bytes += [percent, digit(byte >> 4), digit(byte & 15)] }
        }
        return bytes
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x41 + value - 10 }

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String? {
        guard bytes.contains(percent) else { return String(validating: bytes, as: UTF8.self) }
        var plain: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == percent else {
                plain.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(value), let low = rest.popFirst().flatMap(value) else { return nil }
            plain.append(high << 4 | low)
        }
        return String(validating: plain, as: UTF8.self)
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        default: nil
        }
    }
}
