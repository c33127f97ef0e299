// SPDX-License-Identifier: Apache-2.0

/// In which form a client wants to see objects, by its `Accept`.
package enum Representation: Hashable, Sendable {
    /// As they are.
    case object
    /// As rows for people, in this version of `meta.k8s.io`.
    case table(version: String)
    /// Their metadata alone, in this version of `meta.k8s.io`.
    case metadata(version: String)

    /// The first in the list that we have.
    /// - Throws: 406 if there is none.
    package init(accept: String) throws(APIStatus) {
        for media in try AcceptedMedia.list(accept) where media.isJSON {
            switch (media["as"], media["g"], media["v"]) {
            case (nil, _, _):
                self = .object
                return
            case ("Table", "meta.k8s.io", let version?) where Self.versions.contains(version):
                self = .table(version: version)
                return
            case ("PartialObjectMetadata", "meta.k8s.io", let version?) where Self.versions.contains(version),
                ("PartialObjectMetadataList", "meta.k8s.io", let version?) where Self.versions.contains(version):
                self = .metadata(version: version)
                return
            default: continue
            }
        }
        throw .notAcceptable
    }

    private static let versions = ["v1", "v1beta1"]
}

extension APIStatus {
    package static let notAcceptable = APIStatus(
        .notAcceptable,
        "only the following media types are accepted: application/json, application/json;as=Table;v=v1;g=meta.k8s.io")
}

/// One of the media types that a client accepts, with its parameters.
struct AcceptedMedia {
    /// More than any client sends.
    private static let maximum = 32

    let type: String
    private let parameters: [(name: String, value: String)]

    /// In the order of the header. Nothing said is anything goes.
    static func list(_ accept: String) throws(APIStatus) -> [AcceptedMedia] {
        let parts = accept.split(separator: ",", maxSplits: maximum)
        guard parts.count <= maximum else { throw APIStatus(.badRequest, "Accept may list \(maximum) media types") }
        let list = parts.map { AcceptedMedia($0) }
        return list.isEmpty ? [AcceptedMedia("*/*")] : list
    }

    private init(_ text: Substring) {
        let parts = text.split(separator: ";").map { String($0.drop { $0 == " " }) }
        type = (parts.first ?? "").lowercased().filter { $0 != " " }
        parameters = parts.dropFirst().compactMap { part in
            let pair = part.split(separator: "=", maxSplits: 1)
            return pair.count == 2 ? (String(pair[0]), String(pair[1].filter { $0 != " " })) : nil
        }
    }

    subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    var isJSON: Bool { type == "application/json" || type == "*/*" || type == "application/*" }

    /// `openapi.v2.Document`.
    static let openAPIProtobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

    /// Clients ask for it with an `@` that the syntax of media types doesn't have, and couldn't read it in an answer.
    var isOpenAPIProtobuf: Bool {
        type == Self.openAPIProtobuf || type == "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    }
}
