// SPDX-License-Identifier: Apache-2.0

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
        var found: [ArraySlice<UInt8>] = []
        var reader = ProtobufReader(message[...])
        while let field = try reader.next() {
            switch field.number {
            case 1: head.store = try field.string()
            case 2: found.append(try field.bytes())
            case 4: head.typeURL = try field.string()
            case 5: head.nonce = try field.string()
            case 6: removed.append(try field.string())
            default: continue
            }
        }
        typeURL = String(head.typeURL.prefix(256))
        type = ResourceType(rawValue: head.typeURL)
        nonce = head.nonce
        store = StorePosition(head.store)
        guard let type else { return }
        resources.reserveCapacity(found.count)
        for bytes in found { try take(bytes, type, bounds, &pool) }
    }

    private struct Head {
        var (store, typeURL, nonce) = ("", "", "")
    }

    private mutating func take(
        _ bytes: ArraySlice<UInt8>, _ type: ResourceType, _ bounds: DiscoveryBounds, _ pool: inout WorkloadPool
    ) throws(WireFailure) {
        let wrapped = try Wrapped(bytes)
        do throws(ResourceRejection) {
            resources.append(try Self.read(wrapped, type, bounds, &pool))
        } catch {
            let name = String(decoding: wrapped.name.prefix(256), as: UTF8.self)
            rejected.append(Rejected(name: name, reason: error.description))
        }
    }

    /// A `Resource`, and the `Any` in it, before anything is made of them.
    private struct Wrapped {
        var (name, version, typeURL): (ArraySlice<UInt8>, ArraySlice<UInt8>, ArraySlice<UInt8>) = ([], [], [])
        /// Nil: there is no content.
        var value: ArraySlice<UInt8>?

        init(_ bytes: ArraySlice<UInt8>) throws(WireFailure) {
            var reader = ProtobufReader(bytes)
            while let field = try reader.next() {
                switch field.number {
                case 1: version = try field.bytes()
                case 2: try unwrap(field.bytes())
                case 3: name = try field.bytes()
                default: continue
                }
            }
        }

        private mutating func unwrap(_ bytes: ArraySlice<UInt8>) throws(WireFailure) {
            var reader = ProtobufReader(bytes)
            value = value ?? []
            while let field = try reader.next() {
                if field.number == 1 { typeURL = try field.bytes() }
                if field.number == 2 { value = try field.bytes() }
            }
        }
    }

    private static func read(
        _ wrapped: Wrapped, _ type: ResourceType, _ bounds: DiscoveryBounds, _ pool: inout WorkloadPool
    ) throws(ResourceRejection) -> Resource {
        guard let value = wrapped.value else { throw ResourceRejection("a resource without content") }
        guard wrapped.typeURL.spells(type.rawValue) else {
            throw ResourceRejection("its content is a \(String(decoding: wrapped.typeURL.prefix(256), as: UTF8.self))")
        }
        guard value.count <= bounds.resourceBytes else {
            throw ResourceRejection("\(value.count) bytes are more than the \(bounds.resourceBytes) that are taken")
        }
        guard wrapped.name.count <= bounds.nameBytes, wrapped.version.count <= bounds.nameBytes else {
            throw ResourceRejection("its name or version has more than \(bounds.nameBytes) bytes")
        }
        let content = try MeshResource(type, decoding: value, &pool)
        // The name within is kept, so that the two share their memory.
        let name = content.name
        guard wrapped.name.spells(name) else { throw ResourceRejection("its content is called \(name.prefix(256))") }
        return Resource(
            name: name, version: ResourceVersion(wrapped.version),
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

extension ArraySlice<UInt8> {
    /// Whether the bytes are those of a text.
    fileprivate func spells(_ text: String) -> Bool {
        let (own, other) = (span, text.utf8.span)
        guard own.count == other.count else { return false }
        for index in own.indices where own[index] != other[index] { return false }
        return true
    }
}
