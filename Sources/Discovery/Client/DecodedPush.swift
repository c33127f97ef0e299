// SPDX-License-Identifier: Apache-2.0

internal import Messages
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
        package let version: String
        /// Bytes as it came.
        package let size: Int
        package let content: MeshResource
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

    /// From a message of the control plane. Throws only if it is no response at all.
    package init(_ message: [UInt8], bounds: DiscoveryBounds = DiscoveryBounds()) throws(WireFailure) {
        // Each resource costs four bytes and some values of its own.
        let values = 10_000 + message.count / 4
        let response = try DiscoveryAPI.DeltaResponse(decoding: message, budget: ProtobufBudget(values: values))
        typeURL = String(response.typeURL.prefix(256))
        type = ResourceType(rawValue: response.typeURL)
        nonce = response.nonce
        store = StorePosition(response.systemVersionInfo)
        removed = response.removedResources
        guard let type else { return }
        resources.reserveCapacity(response.resources.count)
        for resource in response.resources {
            do throws(ResourceRejection) {
                resources.append(try Self.read(resource, type, bounds))
            } catch {
                rejected.append(Rejected(name: String(resource.name.prefix(256)), reason: error.description))
            }
        }
    }

    private static func read(
        _ resource: DiscoveryAPI.Resource, _ type: ResourceType, _ bounds: DiscoveryBounds
    ) throws(ResourceRejection) -> Resource {
        guard let wrapped = resource.resource else { throw ResourceRejection("a resource without content") }
        guard wrapped.typeURL == type.rawValue else { throw ResourceRejection("its content is a \(wrapped.typeURL.prefix(256))") }
        guard wrapped.value.count <= bounds.resourceBytes else {
            throw ResourceRejection("\(wrapped.value.count) bytes are more than the \(bounds.resourceBytes) that are taken")
        }
        guard resource.name.utf8.count <= bounds.nameBytes, resource.version.utf8.count <= bounds.nameBytes else {
            throw ResourceRejection("its name or version has more than \(bounds.nameBytes) bytes")
        }
        let content = try MeshResource(type, decoding: wrapped.value)
        // The name within is kept, so that the two share their memory.
        let name = content.name
        guard name == resource.name else { throw ResourceRejection("its content is called \(name.prefix(256))") }
        return Resource(name: name, version: resource.version, size: wrapped.value.count + name.utf8.count, content: content)
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
