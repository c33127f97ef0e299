// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Mesh
internal import Messages
internal import Wire

/// A resource as it is handed out: its content encoded once, shared by all who get it. A value; safe on any thread.
package struct EncodedResource: Sendable {
    package let type: ResourceType
    /// Of what is local: whether the node is to capture it.
    package let isCaptured: Bool
    /// Its name on the wire, unique within its type (and its node, for what is local).
    package let name: String
    /// A hash of the content: equal content has equal versions, after a restart and on every replica.
    package let version: UInt64
    /// The node that a workload runs on: it is told of it unasked, even if it asks for nothing else.
    package let node: String
    /// Other names under which it may be asked for: `NETWORK/ADDRESS`.
    package let aliases: [String]
    /// Of a workload: the services that it is an endpoint of. Who asks for a service is told of its endpoints too.
    package let services: [String]
    /// What stands in the `Any`: the rest of a `Resource` is made of the fields above when it is told.
    private let content: [UInt8]

    private init(
        _ type: ResourceType, name: String, content: [UInt8], node: String = "", aliases: [String] = [], services: [String] = [],
        isCaptured: Bool = false
    ) {
        self.type = type
        self.isCaptured = isCaptured
        self.name = name
        self.node = node
        self.aliases = aliases
        self.services = services
        version = Self.hash(content)
        // Fifty thousand of them are held: without the room in which it grew.
        var exact: [UInt8] = []
        exact.reserveCapacity(content.count)
        exact += content
        self.content = exact
    }

    /// The node that alone is told of it; empty for what all are told.
    package var owner: String { type == .local ? node : "" }

    package init(_ workload: Workload) {
        var address = WorkloadAPI.Address()
        address.workload = WorkloadAPI.Workload(workload)
        self.init(
            .address, name: workload.uid, content: address.encoded, node: workload.node,
            aliases: workload.networkMode == .hostNetwork ? [] : workload.addresses.map { "\(workload.network)/\($0)" },
            services: workload.services.map(\.service))
    }

    package init(_ service: Service) {
        var address = WorkloadAPI.Address()
        address.service = WorkloadAPI.Service(service)
        let aliases = service.addresses.map { address in
            address.length.map { "\(address.network)/\(address.address)/\($0)" } ?? "\(address.network)/\(address.address)"
        }
        self.init(.address, name: service.key, content: address.encoded, aliases: aliases)
    }

    package init(_ authorization: Authorization) {
        self.init(.authorization, name: authorization.key, content: SecurityAPI.Authorization(authorization).encoded)
    }

    package init(_ eviction: Eviction) {
        self.init(.eviction, name: eviction.tag.description, content: EvictionAPI.Eviction(eviction).encoded)
    }

    package init(_ local: LocalWorkload) {
        self.init(
            .local, name: local.uid, content: LocalAPI.LocalWorkload(local).encoded, node: local.node, isCaptured: local.captured)
    }

    // MARK: - On the wire

    /// How many bytes it adds to a response, at most, without its aliases.
    var cost: Int { size + 12 }

    /// Writes it as a `Resource` into the field of a response.
    func write(to writer: inout ProtobufWriter, field: UInt32, withAliases: Bool) {
        let aliases = withAliases ? aliases : []
        let size = aliases.reduce(size) { $0 + ProtobufWriter.size(ofBytes: $1.utf8.count) }
        writer.write(message: field, size: size) { resource in
            resource.write(string: Self.text(version), field: 1)
            resource.write(message: 2, size: anySize) { any in
                any.write(string: type.rawValue, field: 1)
                any.write(bytes: content, field: 2)
            }
            resource.write(string: name, field: 3)
            for alias in aliases { resource.write(string: alias, field: 4) }
        }
    }

    private var size: Int {
        // The version's hexadecimal digits.
        let digits = max(1, (UInt64.bitWidth - version.leadingZeroBitCount + 3) / 4)
        return ProtobufWriter.size(ofBytes: digits) + ProtobufWriter.size(ofBytes: anySize)
            + ProtobufWriter.size(ofBytes: name.utf8.count)
    }

    private var anySize: Int {
        ProtobufWriter.size(ofBytes: type.rawValue.utf8.count) + ProtobufWriter.size(ofBytes: content.count)
    }

    /// FNV-1a, 64 bits. Nobody has to trust it: who can choose content chooses it for a name that is theirs.
    private static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    static func text(_ version: UInt64) -> String { String(version, radix: 16) }
}

/// A resource that is no more.
package struct RemovedResource: Hashable, Sendable {
    package let type: ResourceType
    package let name: String
    /// As it was.
    package let owner: String

    package init(_ type: ResourceType, _ name: String, owner: String = "") {
        self.type = type
        self.name = name
        self.owner = owner
    }
}

/// What changed together: hosts are told of it in an order that opens nothing (I21).
package struct ResourceBatch: Sendable {
    /// Of the store, up to which this and all before it say what stands.
    package var revision: UInt64
    package var changed: [EncodedResource]
    package var removed: [RemovedResource]

    package init(revision: UInt64, changed: [EncodedResource] = [], removed: [RemovedResource] = []) {
        self.revision = revision
        self.changed = changed
        self.removed = removed
    }
}
