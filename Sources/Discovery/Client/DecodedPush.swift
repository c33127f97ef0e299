// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Messages
package import Wire

/// What a client lets a control plane make it hold. It trusts a control plane with policy, not with its memory.
package struct DiscoveryBounds: Sendable {
    /// Ten times the largest mesh that is planned for.
    package var resources = 1_000_000
    /// Of all resources together, as they came.
    package var bytes = 512 << 20
    /// One resource.
    package var resourceBytes = 1 << 20
    /// A name or a version.
    package var nameBytes = 2048

    package init() {}
}

/// One response of delta discovery, read and judged resource by resource. A value: made off the loop that received the bytes.
package struct DecodedPush: Sendable {
    package struct Resource: Sendable {
        package let name: String
        /// Of the name, for all tables that have it.
        package let hash: NameHash
        package let version: ResourceVersion
        /// Bytes as it came.
        package let size: Int
        package let content: MeshResource
        /// False: the bounds don't allow it.
        var isTaken = true
    }

    package struct Rejected: Hashable, Sendable {
        package let name: String
        package let reason: String
    }

    package let typeURL: String
    /// Nil for a type that nobody here asks for.
    package let type: ResourceType?
    package let nonce: String
    /// Nil where the control plane doesn't say.
    package let store: StorePosition?
    package var resources: [Resource] = []
    package var removed: [String] = []
    package var rejected: [Rejected] = []

    /// By itself: nothing in it is shared with other responses.
    package init(_ message: [UInt8], bounds: DiscoveryBounds = DiscoveryBounds()) throws(WireFailure) {
        var pool = WorkloadPool()
        try self.init(message, bounds: bounds, &pool)
    }

    /// From a message of the control plane. Throws only if it is no response at all.
    package init(_ message: [UInt8], bounds: DiscoveryBounds, _ pool: inout WorkloadPool) throws(WireFailure) {
        var head = Head()
        var found: [ProtobufCursor] = []
        let bytes = message.span
        var cursor = ProtobufCursor(0, bytes.count)
        while !cursor.isAtEnd {
            let start = cursor.position
            // Nearly all that a response has are resources; the rest is read, and judged, the general way.
            if cursor.key(bytes) == 0x12, let resource = cursor.length(bytes) {
                found.append(resource)
                continue
            }
            var reader = ProtobufReader(message[start...])
            guard let field = try reader.next() else { break }
            switch field.number {
            case 1: head.store = try field.string()
            case 2: throw .mismatch(field: 2)
            case 4: head.typeURL = try field.string()
            case 5: head.nonce = try field.string()
            case 6: removed.append(try field.string())
            default: break
            }
            cursor = ProtobufCursor(start + field.raw.count, bytes.count)
        }
        typeURL = String(head.typeURL.prefix(256))
        type = ResourceType(rawValue: head.typeURL)
        nonce = head.nonce
        store = StorePosition(head.store)
        guard let type else { return }
        resources.reserveCapacity(found.count)
        for resource in found { try take(message, resource, type, bounds, &pool) }
    }

    private struct Head {
        var (store, typeURL, nonce) = ("", "", "")
    }

    private mutating func take(
        _ message: [UInt8], _ place: ProtobufCursor, _ type: ResourceType, _ bounds: DiscoveryBounds, _ pool: inout WorkloadPool
    ) throws(WireFailure) {
        let wrapped = try WrappedResource(message, place)
        do throws(ResourceRejection) {
            resources.append(try Self.read(message, wrapped, type, bounds, &pool))
        } catch {
            rejected.append(Rejected(name: Self.text(message, wrapped.name), reason: error.description))
        }
    }

    /// The beginning of what may be longer than anyone reads.
    private static func text(_ message: [UInt8], _ place: ProtobufCursor) -> String {
        String(decoding: message[place.position..<place.end].prefix(256), as: UTF8.self)
    }

    private static func read(
        _ message: [UInt8], _ wrapped: WrappedResource, _ type: ResourceType, _ bounds: DiscoveryBounds,
        _ pool: inout WorkloadPool
    ) throws(ResourceRejection) -> Resource {
        guard let value = wrapped.value else { throw ResourceRejection("a resource without content") }
        let bytes = message.span
        guard wrapped.typeURL.spells(type.rawValue, bytes) else {
            throw ResourceRejection("its content is a \(text(message, wrapped.typeURL))")
        }
        guard value.count <= bounds.resourceBytes else {
            throw ResourceRejection("\(value.count) bytes are more than the \(bounds.resourceBytes) that are taken")
        }
        guard wrapped.name.count <= bounds.nameBytes, wrapped.version.count <= bounds.nameBytes else {
            throw ResourceRejection("its name or version has more than \(bounds.nameBytes) bytes")
        }
        let content = try MeshResource(type, decoding: message[value.position..<value.end], &pool)
        // The name within is kept, so that the two share their memory.
        let name = content.name
        guard wrapped.name.spells(name, bytes) else { throw ResourceRejection("its content is called \(name.prefix(256))") }
        return Resource(
            name: name, hash: NameHash(bytes.extracting(wrapped.name.position..<wrapped.name.end)),
            version: ResourceVersion(bytes.extracting(wrapped.version.position..<wrapped.version.end)),
            size: value.count + name.utf8.count, content: content)
    }
}

extension DecodedPush {
    /// How many rejected resources are named to the control plane and in the log; the others are counted.
    private static let named = 20

    /// What the client answers when all is applied that can be. Nil words acknowledge.
    package var outcome: PushOutcome {
        guard type != nil else {
            return PushOutcome(typeURL: typeURL, nonce: nonce, rejection: "resources of the type \(typeURL) were not asked for")
        }
        guard !rejected.isEmpty else { return PushOutcome(typeURL: typeURL, nonce: nonce) }
        var words = rejected.prefix(Self.named).map { "\($0.name): \($0.reason)" }
        if rejected.count > Self.named { words.append("\(rejected.count - Self.named) more") }
        return PushOutcome(typeURL: typeURL, nonce: nonce, rejection: words.joined(separator: "; "))
    }
}
