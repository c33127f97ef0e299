// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Mesh
package import Messages
internal import Wire

/// One resource of discovery, as the mesh model has it.
package enum MeshResource: Hashable, Sendable {
    case workload(Workload)
    case service(Service)
    case authorization(Authorization)
    case local(LocalWorkload)
    case eviction(Eviction)

    /// The name under which it is handed out, which its content decides.
    package var name: String {
        switch self {
        case .workload(let workload): workload.uid
        case .service(let service): service.key
        case .authorization(let authorization): authorization.key
        case .local(let local): local.uid
        case .eviction(let eviction): eviction.tag.description
        }
    }

    /// By itself: nothing in it is shared with other resources.
    package init(_ type: ResourceType, decoding bytes: ArraySlice<UInt8>) throws(ResourceRejection) {
        var pool = WorkloadPool()
        try self.init(type, decoding: bytes, &pool)
    }

    /// From the message that is wrapped in a resource. Untrusted; the caller bounded its length.
    package init(
        _ type: ResourceType, decoding bytes: ArraySlice<UInt8>, _ pool: inout WorkloadPool
    ) throws(ResourceRejection) {
        if type == .address, let workload = Workload(quickly: bytes, &pool) {
            self = .workload(workload)
            return
        }
        switch type {
        case .address: self = try Self.address(Self.read(bytes))
        case .authorization: self = .authorization(try Self.convert(Self.read(bytes), SecurityAPI.Authorization.model))
        case .local: self = .local(try Self.convert(Self.read(bytes), LocalAPI.LocalWorkload.model))
        case .eviction: self = .eviction(try Self.convert(Self.read(bytes), EvictionAPI.Eviction.model))
        }
    }

    /// A policy that names a hundred thousand addresses is larger than any that a person wrote.
    private static let budget = ProtobufBudget(values: 200_000)

    private static func read<Read: Message>(_ bytes: ArraySlice<UInt8>) throws(ResourceRejection) -> Read {
        do throws(WireFailure) { return try Read(decoding: bytes, budget: budget) } catch {
            throw ResourceRejection(error.reason)
        }
    }

    private static func convert<Read: Message, Model>(
        _ message: Read, _ model: (Read) -> () throws(ConversionFailure) -> Model
    ) throws(ResourceRejection) -> Model {
        do throws(ConversionFailure) { return try model(message)() } catch {
            throw ResourceRejection(error.field.isEmpty ? error.reason : "\(error.field): \(error.reason)")
        }
    }

    private static func address(_ message: WorkloadAPI.Address) throws(ResourceRejection) -> MeshResource {
        if let workload = message.workload { return .workload(try convert(workload, WorkloadAPI.Workload.model)) }
        if let service = message.service { return .service(try convert(service, WorkloadAPI.Service.model)) }
        throw ResourceRejection("neither a workload nor a service")
    }
}

/// Why one resource of a push isn't taken; the others are.
package struct ResourceRejection: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
