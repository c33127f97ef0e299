// SPDX-License-Identifier: Apache-2.0

import Documents
import Mesh
import Messages
import Support
import Testing
import Wire

/// The golden sets in `Vectors`: resources, and what a real istiod makes of them.
struct VectorSet: CustomTestStringConvertible, Sendable {
    let name: String
    let yaml: [UInt8]
    let expected: Value
    let addresses: [UInt8]
    let authorizations: [UInt8]

    var testDescription: String { name }

    static let all: [VectorSet] = {
        let folder = #filePath.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/Vectors"
        do {
            return try Files.list(folder).filter { $0.hasSuffix(".yaml") }.map { file in
                let name = String(file.dropLast(5))
                return VectorSet(
                    name: name, yaml: try Files.read("\(folder)/\(file)"),
                    expected: try JSON.read(try Files.read("\(folder)/\(name).json")),
                    addresses: try Files.read("\(folder)/\(name).addresses.binpb"),
                    authorizations: try Files.read("\(folder)/\(name).authorizations.binpb"))
            }
        } catch {
            fatalError("the vectors can't be read: \(error)")
        }
    }()

    /// Whether what istiod says depends on a waypoint: pending until there is one.
    var needsWaypoint: Bool {
        expected.mentions(["waypoint", "weighted_waypoints", "ingress_use_waypoint", "application_tunnel"])
    }

    static let pending = all.filter(\.needsWaypoint)
    static let current = all.filter { !$0.needsWaypoint }
}

extension Value {
    func mentions(_ keys: Set<String>) -> Bool {
        switch content {
        case .mapping(let entries): entries.contains { keys.contains($0.key) || $0.value.mentions(keys) }
        case .sequence(let values): values.contains { $0.mentions(keys) }
        case .null, .bool, .integer, .number, .string: false
        }
    }

    /// The same by meaning has the same text: lists without an order of their own are sorted, versions are left out.
    var normalised: Value {
        switch content {
        case .mapping(let entries):
            return .object(
                entries.filter { $0.key != "version" }.sorted { $0.key < $1.key }.map { entry in
                    (entry.key, entry.key == "routing_preference" ? entry.value : entry.value.normalised)
                })
        case .sequence(let values): return .array(values.map(\.normalised).sorted { $0.json < $1.json })
        case .null, .bool, .integer, .number, .string: return self
        }
    }
}
