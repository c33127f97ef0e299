// SPDX-License-Identifier: Apache-2.0

package import Documents

/// OpenAPI documents of the kinds, made from their schemas: `kubectl explain`, its choice of patches, and what it may ask for
/// in a query come from them.
package enum OpenAPI {
    /// Which of its two forms: they differ in where definitions stand.
    enum Form {
        case v2
        case v3

        var references: String {
            switch self {
            case .v2: "#/definitions/"
            case .v3: "#/components/schemas/"
            }
        }
    }

    /// `/openapi/v3`: which documents there are. The hash changes with the document, so that clients may keep it.
    package static let index: Value = {
        let entries = documents.map { path, bytes in
            (path, Value.object([("serverRelativeURL", .string("/openapi/v3/\(path)?hash=\(hash(bytes))"))]))
        }
        return ["paths": .object(entries.sorted { $0.0 < $1.0 })]
    }()

    /// `/openapi/v2`: all kinds in one.
    static let swagger: Value = {
        var definitions: [(String, Value)] = []
        var paths: [(String, Value)] = []
        for (group, version) in groupVersions {
            let kinds = APIKinds.kinds(group: group, version: version)
            definitions += schemas(kinds, version, .v2).filter { entry in !definitions.contains { $0.0 == entry.0 } }
            paths += kinds.flatMap { OpenAPIPaths.all($0, version, .v2) }
        }
        return [
            "swagger": "2.0", "info": info, "paths": .object(paths), "definitions": .object(definitions.sorted { $0.0 < $1.0 }),
        ]
    }()

    private static let swaggerJSON = swagger.jsonBytes
    private static let swaggerProtobuf = OpenAPIProtobuf(swagger).bytes

    /// `/openapi/v2` as a client wants it.
    /// - Throws: 406 if it accepts neither JSON nor the protobuf of older kubectls.
    package static func swagger(accept: String) throws(APIStatus) -> (bytes: [UInt8], contentType: String) {
        for media in try AcceptedMedia.list(accept) {
            if media.isJSON { return (swaggerJSON, "application/json") }
            if media.isOpenAPIProtobuf { return (swaggerProtobuf, AcceptedMedia.openAPIProtobuf) }
        }
        throw .notAcceptable
    }

    /// A document of `/openapi/v3`, which there is as JSON alone.
    /// - Throws: 406 if the client doesn't accept that.
    package static func document(group: String, version: String, accept: String) throws(APIStatus) -> [UInt8] {
        guard try AcceptedMedia.list(accept).contains(where: \.isJSON) else { throw .notAcceptable }
        return documents[path(group, version)] ?? []
    }

    private static let info: Value = ["title": "Warren", "version": "unversioned"]

    private static let groupVersions: [(String, String)] =
        [("", "v1")] + APIKinds.groups.flatMap { group in group.versions.map { (group.name, $0) } }

    private static let documents: [String: [UInt8]] = Dictionary(
        groupVersions.map { group, version in
            let kinds = APIKinds.kinds(group: group, version: version)
            let document: Value = [
                "openapi": "3.0.0", "info": info, "paths": .object(kinds.flatMap { OpenAPIPaths.all($0, version, .v3) }),
                "components": ["schemas": .object(schemas(kinds, version, .v3).sorted { $0.0 < $1.0 })],
            ]
            return (path(group, version), document.jsonBytes)
        }, uniquingKeysWith: { first, _ in first })

    private static func path(_ group: String, _ version: String) -> String {
        group.isEmpty ? "api/\(version)" : "apis/\(group)/\(version)"
    }

    /// FNV-1a, in hexadecimal.
    private static func hash(_ bytes: [UInt8]) -> String {
        String(bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
    }

    // MARK: - Schemas

    private static func schemas(_ kinds: [APIKind], _ version: String, _ form: Form) -> [(String, Value)] {
        var all = kinds.map { (name($0, version), definition($0, version, form)) }
        let metadata = SharedSchema.objectMeta
        all.append((metadata.definition ?? "", body(metadata, form).setting("description", "Metadata that every object has.")))
        all.append((intOrString, ["description": "A number, or a name.", "type": "string", "format": "int-or-string"]))
        return all
    }

    private static let intOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"

    /// `io.k8s.api.core.v1.Service`, `io.istio.security.v1.PeerAuthentication`.
    static func name(_ kind: APIKind, _ version: String) -> String {
        guard !kind.group.isEmpty else { return "io.k8s.api.core.\(version).\(kind.kind)" }
        return kind.group.split(separator: ".").reversed().joined(separator: ".") + ".\(version).\(kind.kind)"
    }

    static func gvk(_ kind: APIKind, _ version: String) -> Value {
        ["group": .string(kind.group), "kind": .string(kind.kind), "version": .string(version)]
    }

    private static func definition(_ kind: APIKind, _ version: String, _ form: Form) -> Value {
        body(kind.schema, form).setting("description", .string(kind.description))
            .setting("x-kubernetes-group-version-kind", [gvk(kind, version)])
    }

    private static func schema(_ schema: Schema, _ form: Form) -> Value {
        guard let definition = schema.definition else { return body(schema, form) }
        return ["$ref": .string(form.references + definition)]
    }

    private static func body(_ schema: Schema, _ form: Form) -> Value {
        switch schema.form {
        case .string:
            return .object(present: [
                ("type", "string"), ("format", schema.format.map { .string($0) }),
                ("enum", schema.words.isEmpty ? nil : .array(schema.words.map { .string($0) })),
            ])
        case .integer: return ["type": "integer", "format": "int64"]
        case .number: return ["type": "number", "format": "double"]
        case .boolean: return ["type": "boolean"]
        case .intOrString: return ["$ref": .string(form.references + intOrString)]
        case .any: return ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        case .map(let inner):
            return .object(present: [
                ("type", "object"), ("additionalProperties", Self.schema(inner, form)),
                ("x-kubernetes-map-type", schema.isAtomic ? "atomic" : nil),
            ])
        case .list(let element, let kind):
            return .object([("type", "array"), ("items", Self.schema(element, form))] + extensions(kind))
        case .object(let fields):
            let required = fields.all.filter(\.isRequired).map { Value.string($0.name) }
            return .object(present: [
                ("type", "object"), ("properties", .object(fields.all.map { ($0.name, field($0, form)) })),
                ("required", required.isEmpty ? nil : .array(required)),
                ("x-kubernetes-map-type", schema.isAtomic ? "atomic" : nil),
            ])
        }
    }

    private static func extensions(_ kind: SchemaList) -> [(String, Value)] {
        switch kind {
        case .atomic: [("x-kubernetes-list-type", "atomic")]
        case .set: [("x-kubernetes-list-type", "set"), ("x-kubernetes-patch-strategy", "merge")]
        case .map(let keys):
            [
                ("x-kubernetes-list-type", "map"), ("x-kubernetes-list-map-keys", .array(keys.map { .string($0) })),
                ("x-kubernetes-patch-strategy", "merge"), ("x-kubernetes-patch-merge-key", .string(keys.first ?? "")),
            ]
        }
    }

    /// A reference may stand only by itself: what is said besides stands around it.
    private static func field(_ field: SchemaField, _ form: Form) -> Value {
        var schema = Self.schema(field.schema, form)
        if schema["$ref"] != nil, form == .v3 { schema = ["allOf": [schema]] }
        if let value = field.defaultValue { schema = schema.setting("default", value) }
        return schema.setting("description", .string(field.description))
    }
}
