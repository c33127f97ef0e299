// SPDX-License-Identifier: Apache-2.0

import Documents
import Wire

/// Objects in the protobuf of Kubernetes' own kinds: `kubectl create namespace` and typed clients send nothing else. They are read only;
/// answers are JSON, which such clients take too.
///
///     "k8s\0" Unknown { typeMeta { apiVersion, kind }, raw: the object, contentEncoding, contentType }
enum KubernetesProtobuf {
    private static let magic: [UInt8] = [0x6b, 0x38, 0x73, 0x00]

    /// The body as the JSON of the object would be.
    /// - Throws: 400 for what can't be read, 415 for kinds that have no protobuf.
    static func object(_ bytes: [UInt8]) throws(APIStatus) -> Value {
        guard bytes.starts(with: magic) else {
            throw APIStatus(.badRequest, "the body is not Kubernetes' protobuf: it doesn't begin with k8s\\0")
        }
        do throws(WireFailure) {
            var budget = ProtobufBudget(depth: 16, values: 200_000)
            let envelope = try ProtobufMessage.unknown.read(bytes[4...], &budget)
            let kind = envelope.at("typeMeta", "kind")?.stringValue ?? ""
            guard let message = ProtobufMessage.kinds[kind], envelope.at("contentEncoding") == nil else {
                throw WireFailure.mismatch(field: 1)
            }
            let raw = try ProtobufMessage.rawBytes(bytes[4...])
            let object = try message.read(raw, &budget)
            return object.setting("apiVersion", envelope.at("typeMeta", "apiVersion")).setting("kind", .string(kind))
        } catch {
            throw APIStatus(
                .badRequest,
                "error decoding the body: this is no object of a kind that has a protobuf here: \(error.reason). Send JSON"
            )
        }
    }
}

/// The numbers of a message's fields (k8s.io/api core/v1, apimachinery meta/v1: generated.proto).
struct ProtobufMessage: Sendable {
    indirect enum Form: Sendable {
        case string
        case integer
        case boolean
        case message(ProtobufMessage)
        /// Seconds and nanoseconds, as RFC 3339.
        case time
        case stringMap
        case intOrString
        /// JSON in bytes.
        case json
    }

    struct Field: Sendable {
        let name: String
        let form: Form
        let isRepeated: Bool

        init(_ name: String, _ form: Form = .string, repeated: Bool = false) {
            self.name = name
            self.form = form
            isRepeated = repeated
        }

        var emptyElement: Value { if case .message = form { .object([]) } else { "" } }
    }

    let fields: [UInt32: Field]

    init(_ fields: [UInt32: Field]) { self.fields = fields }

    /// Fields that nobody here knows are of a newer Kubernetes; they are passed over, as its own server does. What is empty counts as
    /// not written: these messages always write everything.
    func read(_ bytes: ArraySlice<UInt8>, _ budget: inout ProtobufBudget) throws(WireFailure) -> Value {
        guard budget.depth > 0 else { throw .tooDeep }
        budget.depth -= 1
        defer { budget.depth += 1 }
        var single: [String: Value] = [:]
        var lists: [String: [Value]] = [:]
        var maps: [String: [(String, Value)]] = [:]
        var reader = ProtobufReader(bytes)
        while let wire = try reader.next() {
            budget.values -= 1
            guard budget.values > 0 else { throw .tooManyValues }
            guard let field = fields[wire.number] else { continue }
            if case .stringMap = field.form {
                maps[field.name, default: []].append(try Self.pair(wire))
                continue
            }
            guard let value = try Self.value(wire, field.form, &budget) else {
                // An empty element of a list is one all the same.
                if field.isRepeated { lists[field.name, default: []].append(field.emptyElement) }
                continue
            }
            if field.isRepeated { lists[field.name, default: []].append(value) } else { single[field.name] = value }
        }
        for (name, list) in lists { single[name] = .array(list) }
        for (name, pairs) in maps {
            let last = Dictionary(pairs, uniquingKeysWith: { $1 })
            single[name] = .object(last.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        }
        return .object(single.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }

    /// Nil for what is empty.
    private static func value(_ wire: ProtobufField, _ form: Form, _ budget: inout ProtobufBudget) throws(WireFailure) -> Value? {
        switch form {
        case .string:
            let text = try wire.string()
            return text.isEmpty ? nil : .string(text)
        case .integer:
            let number = Int64(bitPattern: try wire.varint())
            return number == 0 ? nil : .integer(number)
        case .boolean: return .bool(try wire.varint() != 0)
        case .message(let message):
            let value = try message.read(try wire.bytes(), &budget)
            return value.isEmptyContainer ? nil : value
        case .time:
            let value = try time.read(try wire.bytes(), &budget)
            return value["seconds"]?.integerValue.map { .string(Timestamp(seconds: min(max($0, -1 << 36), 1 << 36)).description) }
        case .intOrString:
            let value = try intOrString.read(try wire.bytes(), &budget)
            return value["type"] == nil ? value["intVal"] : value["strVal"]
        case .json:
            let inner = try json.read(try wire.bytes(), &budget)
            guard let text = inner["raw"]?.stringValue else { return nil }
            guard let value = try? JSON.read(Array(text.utf8), limits: RequestBody.limits) else {
                throw .mismatch(field: wire.number)
            }
            return value
        case .stringMap: return nil
        }
    }

    private static func pair(_ wire: ProtobufField) throws(WireFailure) -> (String, Value) {
        var reader = ProtobufReader(try wire.bytes())
        var (key, value) = ("", "")
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.string()
            case 2: value = try field.string()
            default: continue
            }
        }
        return (key, .string(value))
    }

    /// The object inside the envelope.
    static func rawBytes(_ bytes: ArraySlice<UInt8>) throws(WireFailure) -> ArraySlice<UInt8> {
        var reader = ProtobufReader(bytes)
        var raw: ArraySlice<UInt8> = []
        while let field = try reader.next() { if field.number == 2 { raw = try field.bytes() } }
        return raw
    }
}
