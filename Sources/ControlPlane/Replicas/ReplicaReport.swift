// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Documents

/// What a replica says beside its name of the hosts that are connected to it: a text of a bounded size, written anew when it says something else. A
/// value.
struct ReplicaReport: Hashable, Sendable {
    /// Who reads takes no more, and who writes makes no more.
    static let limit = 128 << 10
    /// Of this form; a replica of another version may write another, and then nothing is known of its hosts.
    private static let form: Int64 = 1
    /// More hosts than any mesh has.
    private static let hostLimit: Int64 = 1 << 20

    /// It was made after this revision had happened, and tells nothing of later ones: of what came behind it nothing is known.
    let asOf: UInt64
    let hosts: AcknowledgementSummary

    init(asOf: UInt64, hosts: AcknowledgementSummary) {
        self.asOf = asOf
        self.hosts = hosts
    }

    /// With as many refusals as there is room for.
    var text: [UInt8] {
        var hosts = hosts
        while true {
            let text = Self.text(asOf, hosts)
            if text.count <= Self.limit || hosts.refusals.isEmpty { return text }
            hosts = hosts.keeping(hosts.refusals.count / 2)
        }
    }

    private static func text(_ asOf: UInt64, _ hosts: AcknowledgementSummary) -> [UInt8] {
        // A host's words are about all that it refused at once.
        struct Speaker: Hashable {
            let node: String
            let error: String
        }
        var order: [Speaker] = []
        var said: [Speaker: [Value]] = [:]
        for refusal in hosts.refusals {
            let speaker = Speaker(node: refusal.node, error: refusal.error)
            if said[speaker] == nil { order.append(speaker) }
            said[speaker, default: []].append([
                .string(refusal.type.rawValue), .string(refusal.name), .integer(refusal.revision), .integer(refusal.nodes),
            ])
        }
        let refused = order.map { speaker in
            Value.object([
                ("node", .string(speaker.node)), ("error", .string(speaker.error)), ("of", .array(said[speaker] ?? [])),
            ])
        }
        return Value.object(present: [
            ("form", .integer(form)), ("asOf", .integer(asOf)),
            ("held", .array(hosts.held.map { [.integer($0.revision), .integer($0.nodes)] })),
            ("refused", refused.isEmpty ? nil : .array(refused)), ("whole", .bool(hosts.isWhole)),
        ]).jsonBytes
    }

    /// From the store; nil for whatever isn't understood to its end.
    init?(text: [UInt8]) {
        guard !text.isEmpty, text.count <= Self.limit else { return nil }
        var limits = DocumentLimits()
        (limits.bytes, limits.depth, limits.nodes) = (Self.limit, 8, 4_096)
        guard let value = try? JSON.read(text, limits: limits), value["form"]?.integerValue == Self.form,
            let asOf = Self.revision(value["asOf"]), let isWhole = value["whole"]?.boolValue,
            let held = value["held"]?.sequenceValue, held.count <= AcknowledgementSummary.heldLimit
        else { return nil }
        var counts: [AcknowledgementSummary.Held] = []
        for pair in held {
            guard let pair = pair.sequenceValue, pair.count == 2, let revision = Self.revision(pair[0]),
                let nodes = Self.hosts(pair[1])
            else { return nil }
            counts.append(.init(revision: revision, nodes: nodes))
        }
        var refusals: [AcknowledgementSummary.Refusal] = []
        for entry in value["refused"]?.sequenceValue ?? [] {
            guard let node = entry["node"]?.stringValue, let error = entry["error"]?.stringValue,
                error.utf8.count <= AcknowledgementSummary.errorLimit, let names = entry["of"]?.sequenceValue,
                refusals.count + names.count <= AcknowledgementSummary.refusalLimit
            else { return nil }
            for entry in names {
                guard let entry = entry.sequenceValue, entry.count == 4,
                    let type = entry[0].stringValue.flatMap(ResourceType.init(rawValue:)), let name = entry[1].stringValue,
                    let revision = Self.revision(entry[2]), let nodes = Self.hosts(entry[3]), nodes > 0
                else { return nil }
                refusals.append(
                    .init(type: type, name: name, revision: revision, nodes: nodes, node: node, error: error))
            }
        }
        self.init(asOf: asOf, hosts: AcknowledgementSummary(held: counts, refusals: refusals, isWhole: isWhole))
    }

    private static func revision(_ value: Value?) -> UInt64? { value?.integerValue.flatMap { UInt64(exactly: $0) } }

    private static func hosts(_ value: Value) -> Int? {
        guard let count = value.integerValue, (0...hostLimit).contains(count) else { return nil }
        return Int(count)
    }
}
