// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Messages
internal import Wire

/// A `DeltaDiscoveryRequest` as the server reads it: what a reconnecting client holds is told name by name and never kept, since five hundred
/// clients that hold fifty thousand resources each would need gigabytes.
struct DeltaRequestReader {
    /// What one request may ask for.
    struct Bounds {
        /// Names that are subscribed to or no longer, each.
        var names = 16_384
        /// Bytes of one: the longest name of a workload has about 700.
        var nameLength = 1_024
        /// Resources that a client holds.
        var held = 400_000
        /// Of an error, what is kept.
        var errorLength = 4_096

        init() {}
    }

    private(set) var node: DiscoveryAPI.Node?
    private(set) var typeURL = ""
    private(set) var subscribe: [String] = []
    private(set) var unsubscribe: [String] = []
    private(set) var nonce = ""
    /// Nil in what isn't a NACK.
    private(set) var error: String?
    /// Where the entries of `initial_resource_versions` stand.
    private var held: [ArraySlice<UInt8>] = []

    var heldCount: Int { held.count }

    init(_ bytes: [UInt8], bounds: Bounds = Bounds()) throws(WireFailure) {
        var reader = ProtobufReader(bytes[...])
        while let field = try reader.next() {
            switch field.number {
            case 1: node = try Self.readNode(field)
            case 2: typeURL = try Self.name(field, bounds)
            case 3: try Self.append(try Self.name(field, bounds), to: &subscribe, bounds)
            case 4: try Self.append(try Self.name(field, bounds), to: &unsubscribe, bounds)
            case 5:
                guard held.count < bounds.held else { throw .tooManyValues }
                held.append(try field.bytes())
            case 6: nonce = try Self.name(field, bounds)
            case 7: error = try Self.readError(field, bounds)
            default: continue
            }
        }
    }

    /// Tells each resource that the client holds. The version is nil if it isn't one of ours.
    func forEachHeld(bounds: Bounds = Bounds(), _ body: (String, UInt64?) -> Void) throws(WireFailure) {
        for entry in held {
            var (name, version): (String, UInt64?) = ("", nil)
            var reader = ProtobufReader(entry)
            while let part = try reader.next() {
                if part.number == 1 { name = try Self.name(part, bounds) }
                if part.number == 2 { version = Self.version(try part.bytes()) }
            }
            body(name, version)
        }
    }

    private static func version(_ text: ArraySlice<UInt8>) -> UInt64? {
        guard (1...16).contains(text.count) else { return nil }
        var version: UInt64 = 0
        for byte in text {
            switch byte {
            case 0x30...0x39: version = version << 4 | UInt64(byte - 0x30)
            case 0x61...0x66: version = version << 4 | UInt64(byte - 0x57)
            default: return nil
            }
        }
        return version
    }

    private static func append(_ name: String, to names: inout [String], _ bounds: Bounds) throws(WireFailure) {
        guard names.count < bounds.names else { throw .tooManyValues }
        names.append(name)
    }

    private static func name(_ field: ProtobufField, _ bounds: Bounds) throws(WireFailure) -> String {
        guard try field.bytes().count <= bounds.nameLength else { throw .tooManyValues }
        return try field.string()
    }

    /// A node says who it is in a few hundred values; ztunnel sends about ten.
    private static func readNode(_ field: ProtobufField) throws(WireFailure) -> DiscoveryAPI.Node {
        let bytes = try field.bytes()
        guard bytes.count <= 64 << 10 else { throw .tooManyValues }
        return try DiscoveryAPI.Node(decoding: bytes, budget: ProtobufBudget(depth: 16, values: 2_000))
    }

    private static func readError(_ field: ProtobufField, _ bounds: Bounds) throws(WireFailure) -> String {
        var message = ""
        var reader = ProtobufReader(try field.bytes())
        while let part = try reader.next() {
            if part.number == 2 { message = String(decoding: try part.bytes().prefix(bounds.errorLength), as: UTF8.self) }
        }
        return message
    }
}
