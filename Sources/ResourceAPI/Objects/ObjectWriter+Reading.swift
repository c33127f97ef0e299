// SPDX-License-Identifier: Apache-2.0

import Documents

extension ObjectWriter {
    /// The body as an object of the request's kind: nothing in it that the schema doesn't know, nothing of a wrong type.
    mutating func checked(_ body: Value) throws(APIStatus) -> Value {
        guard body.mappingValue != nil else {
            throw APIStatus(.badRequest, "the body is \(body.kindName), not an object of the kind \(kind.kind)")
        }
        let apiVersion = kind.apiVersion(request.version)
        let written = body.at("apiVersion")?.stringValue ?? apiVersion
        guard written == apiVersion else {
            throw APIStatus(
                .badRequest,
                "the API version in the data (\(written.prefix(100))) does not match the expected API version (\(apiVersion))")
        }
        let name = body.at("kind")?.stringValue ?? kind.kind
        guard name == kind.kind else {
            throw APIStatus(
                .badRequest, "the kind in the data (\(name.prefix(100))) does not match the expected kind (\(kind.kind))")
        }
        var check = SchemaCheck()
        let object = check.prune(body, kind.schema)
        try report(check, request.name ?? body.at("metadata", "name")?.stringValue ?? "")
        return object
    }

    private mutating func report(_ check: SchemaCheck, _ name: String) throws(APIStatus) {
        if !check.errors.isEmpty { throw .invalid(kind, String(name.prefix(253)), check.errors) }
        let sentences = check.unknown.map { path, meant in
            "unknown field \"\(path)\"" + (meant.map { " (did you mean \"\($0)\"?)" } ?? "")
        }
        guard !sentences.isEmpty else { return }
        switch request.options.fieldValidation {
        case .strict:
            let listed = sentences.prefix(16).joined(separator: ", ")
            throw APIStatus(
                .badRequest,
                "\(kind.kind) in version \"\(request.version)\" cannot be handled as a \(kind.kind): strict decoding error: \(listed)"
            )
        case .warn: warnings += sentences.prefix(16)
        case .ignore: break
        }
    }

    /// With the name and namespace that the path says.
    func named(_ object: Value) throws(APIStatus) -> Value {
        var metadata = object["metadata"] ?? .object([])
        let name = metadata["name"]?.stringValue ?? ""
        if let wanted = request.name {
            guard name.isEmpty || name == wanted else {
                throw APIStatus(
                    .badRequest, "the name of the object (\(name.prefix(253))) does not match the name on the URL (\(wanted))")
            }
            metadata = metadata.setting("name", .string(wanted))
        } else if name.isEmpty, let prefix = metadata["generateName"]?.stringValue, !prefix.isEmpty {
            let room = kind.nameRule == .subdomain ? 253 : 63
            let kept = String(decoding: prefix.utf8.prefix(max(0, room - context.suffix.utf8.count)), as: UTF8.self)
            metadata = metadata.setting("name", .string(kept + context.suffix))
        }
        guard kind.isNamespaced else { return object.setting("metadata", metadata) }
        let namespace = metadata["namespace"]?.stringValue ?? ""
        let wanted = request.namespace ?? ""
        guard namespace.isEmpty || namespace == wanted else {
            throw APIStatus(
                .badRequest,
                "the namespace of the provided object does not match the namespace sent on the request: \(namespace.prefix(64)), \(wanted)"
            )
        }
        return object.setting("metadata", metadata.setting("namespace", .string(wanted)))
    }
}
