// SPDX-License-Identifier: Apache-2.0

package import Documents

/// How the body of a PATCH is meant, by its content type.
package enum PatchType: String, Hashable, Sendable, CaseIterable {
    case json = "application/json-patch+json"
    case merge = "application/merge-patch+json"
    case strategicMerge = "application/strategic-merge-patch+json"
    case apply = "application/apply-patch+yaml"

    /// - Throws: 415 with what is taken for this kind.
    package init(contentType: String, kind: APIKind) throws(APIStatus) {
        let type = RequestBody.mediaType(contentType)
        guard let known = PatchType(rawValue: type), known != .strategicMerge || kind.hasStrategicMerge else {
            let taken = Self.allCases.filter { $0 != .strategicMerge || kind.hasStrategicMerge }.map(\.rawValue)
            throw APIStatus(
                .unsupportedMediaType,
                "the body of the request was in an unknown format - accepted media types include: \(taken.joined(separator: ", "))"
            )
        }
        self = known
    }
}

/// Reads bodies: bounded, and only as what they say they are.
package enum RequestBody {
    /// Bytes that are read of a body. What is stored is smaller (`ObjectLimits.bytes`); a patch, or YAML with its indentation, may be larger than
    /// what it makes.
    package static let maximumBytes = 3 << 20

    /// 100,000 values are a list of ten thousand rules.
    static let limits: DocumentLimits = {
        var limits = DocumentLimits()
        limits.bytes = maximumBytes
        limits.nodes = 200_000
        limits.depth = 48
        return limits
    }()

    /// The object that a client writes.
    /// - Throws: 415 for another type, 400 for what can't be read, 413 for what is too large.
    package static func object(_ bytes: [UInt8], contentType: String) throws(APIStatus) -> Value {
        switch mediaType(contentType) {
        case "", "application/json": return try json(bytes)
        case "application/yaml", "application/x-yaml", "text/yaml": return try yaml(bytes)
        case "application/vnd.kubernetes.protobuf":
            try checkSize(bytes)
            return try KubernetesProtobuf.object(bytes)
        default: throw unsupported("the body of the request was in an unknown format")
        }
    }

    /// The document of a patch.
    package static func patch(_ bytes: [UInt8], _ type: PatchType) throws(APIStatus) -> Value {
        switch type {
        case .json, .merge, .strategicMerge: try json(bytes)
        case .apply: try yaml(bytes)
        }
    }

    /// What a DELETE says in its body; nil if it has none.
    package static func deletion(_ bytes: [UInt8], contentType: String) throws(APIStatus) -> Value? {
        bytes.isEmpty ? nil : try object(bytes, contentType: contentType)
    }

    private static func unsupported(_ reason: String) -> APIStatus {
        APIStatus(
            .unsupportedMediaType,
            "\(reason) - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf")
    }

    private static func json(_ bytes: [UInt8]) throws(APIStatus) -> Value {
        try checkSize(bytes)
        do throws(DocumentFailure) { return try JSON.read(bytes, limits: limits) } catch { throw status(error) }
    }

    private static func yaml(_ bytes: [UInt8]) throws(APIStatus) -> Value {
        try checkSize(bytes)
        let documents: [Value]
        do throws(DocumentFailure) { documents = try YAML.read(bytes, limits: limits) } catch { throw status(error) }
        guard let document = documents.first, documents.count == 1 else {
            throw APIStatus(.badRequest, "the body has \(documents.count) documents, not one")
        }
        return document
    }

    private static func checkSize(_ bytes: [UInt8]) throws(APIStatus) {
        guard !bytes.isEmpty else { throw APIStatus(.badRequest, "the request has no body") }
        guard bytes.count <= maximumBytes else { throw .bodyTooLarge }
    }

    private static func status(_ failure: DocumentFailure) -> APIStatus {
        let remedy = failure.remedy.isEmpty ? "" : ". \(failure.remedy)"
        let place = failure.position == .none ? "" : "line \(failure.position.line), column \(failure.position.column): "
        return APIStatus(.badRequest, "error decoding the body: \(place)\(failure.message)\(remedy)")
    }

    /// Without its parameters.
    static func mediaType(_ contentType: String) -> String {
        var type = contentType.prefix { $0 != ";" }
        while type.last == " " { type.removeLast() }
        return type.lowercased()
    }
}

extension APIStatus {
    /// 413 for a body that isn't read to its end.
    package static let bodyTooLarge = APIStatus(
        .tooLarge, "the body of a request may have \(RequestBody.maximumBytes) bytes: send less at once")
}
