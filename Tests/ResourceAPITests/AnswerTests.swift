// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing
import Wire

@testable import ResourceAPI

/// Discovery, OpenAPI, tables and what else is sent.
@Suite struct AnswerTests {
    private let kubectl =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
        + "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

    @Test func `discovery tells kubectl everything at once`() throws {
        let core = try APIDiscovery.answer(.legacy, accept: kubectl)
        #expect(core.contentType == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        let versions = core.document["items"]?.sequenceValue?.first?["versions"]?.sequenceValue
        let service = versions?.first?["resources"]?.sequenceValue?.first { $0["resource"] == "services" }
        #expect(service?["scope"] == "Namespaced" && service?["shortNames"] == ["svc"])
        let groups = try APIDiscovery.answer(.groups, accept: kubectl).document["items"]?.sequenceValue ?? []
        #expect(groups.map { $0.at("metadata", "name") } == ["networking.istio.io", "security.istio.io", "warren.dev"])
    }

    @Test func `older clients ask step by step`() throws {
        #expect(try APIDiscovery.answer(.legacy, accept: "application/json, */*").document["versions"] == ["v1"])
        let groups = try APIDiscovery.answer(.groups, accept: "").document["groups"]?.sequenceValue ?? []
        #expect(groups.first?.at("preferredVersion", "groupVersion") == "networking.istio.io/v1")
        let list = try APIDiscovery.answer(.resources(group: "security.istio.io", version: "v1beta1"), accept: kubectl).document
        #expect(list["groupVersion"] == "security.istio.io/v1beta1")
        #expect(list["resources"]?.sequenceValue?.count == 4)
        #expect(
            failure { _ = try APIDiscovery.answer(.groups, accept: "application/vnd.kubernetes.protobuf") }?.reason.code == 406)
    }

    @Test func `every kind and version has its OpenAPI`() throws {
        let index = OpenAPI.index["paths"]?.mappingValue ?? []
        #expect(index.count == 7)
        for kind in APIKinds.all {
            for version in kind.versions {
                let document = try JSON.read(OpenAPI.document(group: kind.group, version: version, accept: "application/json"))
                let base = kind.group.isEmpty ? "/api/\(version)" : "/apis/\(kind.group)/\(version)"
                let path =
                    kind.isNamespaced ? "\(base)/namespaces/{namespace}/\(kind.plural)/{name}" : "\(base)/\(kind.plural)/{name}"
                let patch = document["paths"]?[path]?["patch"]
                #expect(patch?["x-kubernetes-group-version-kind"] == OpenAPI.gvk(kind, version))
                #expect(patch?["parameters"]?.sequenceValue?.contains { $0["name"] == "fieldValidation" } == true)
                let accepts = patch?.at("requestBody", "content")?["application/strategic-merge-patch+json"] != nil
                #expect(accepts == kind.hasStrategicMerge)
                let schema = document.at("components", "schemas")?[OpenAPI.name(kind, version)]
                #expect(schema?["x-kubernetes-group-version-kind"] == [OpenAPI.gvk(kind, version)])
            }
        }
        #expect(throws: APIStatus.self) { try OpenAPI.document(group: "", version: "v1", accept: "text/html") }
    }

    @Test func `OpenAPI v2 is there as JSON and as the protobuf of older clients, which says the same`() throws {
        let json = try OpenAPI.swagger(accept: "application/json, */*")
        #expect(json.contentType == "application/json")
        #expect(try JSON.read(json.bytes)["definitions"]?["io.k8s.api.core.v1.Service"] != nil)
        #expect(OpenAPIProtobuf(OpenAPI.swagger).unplaced == [])
        let protobuf = try OpenAPI.swagger(accept: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
        #expect(protobuf.contentType == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
        // Document.definitions.additional_properties: the names, in the document's order.
        let names = try fields(1, in: fields(9, in: protobuf.bytes[...])[0]).map { try text(1, in: $0) }
        #expect(names == OpenAPI.swagger["definitions"]?.mappingValue?.map(\.key))
        // Document.paths.path: name, PathItem.post.parameters: the last is ParametersItem.parameter.body_parameter.schema.
        let paths = try fields(2, in: fields(8, in: protobuf.bytes[...])[0])
        let services = try #require(try paths.first { try text(1, in: $0) == "/api/v1/namespaces/{namespace}/services" })
        let post = try fields(4, in: fields(2, in: services)[0])[0]
        let body = try [1, 1].reduce(try #require(try fields(8, in: post).last)) { try fields($1, in: $0)[0] }
        #expect(try text(1, in: fields(5, in: body)[0]) == "#/definitions/io.k8s.api.core.v1.Service")
        #expect(throws: APIStatus.self) { try OpenAPI.swagger(accept: "text/html") }
    }

    private func fields(_ number: UInt32, in bytes: ArraySlice<UInt8>) throws -> [ArraySlice<UInt8>] {
        var reader = ProtobufReader(bytes)
        var found: [ArraySlice<UInt8>] = []
        while let field = try reader.next() {
            if field.number == number, case .bytes(let bytes) = field.payload { found.append(bytes) }
        }
        return found
    }

    private func text(_ number: UInt32, in bytes: ArraySlice<UInt8>) throws -> String {
        String(decoding: try #require(try fields(number, in: bytes).first), as: UTF8.self)
    }

    @Test func `references lead somewhere and properties are described`() throws {
        for (group, version) in [("", "v1"), ("networking.istio.io", "v1"), ("warren.dev", "v1")] {
            let schemas =
                try JSON.read(OpenAPI.document(group: group, version: version, accept: "")).at("components", "schemas") ?? .null
            var rest = (schemas.mappingValue ?? []).map(\.value)
            while let next = rest.popLast() {
                if let reference = next["$ref"]?.stringValue {
                    #expect(schemas[String(reference.dropFirst("#/components/schemas/".count))] != nil)
                }
                for entry in next["properties"]?.mappingValue ?? [] {
                    #expect(entry.value["description"]?.stringValue?.isEmpty == false)
                    rest.append(entry.value)
                }
                rest += (next["allOf"]?.sequenceValue ?? []) + [next["items"], next["additionalProperties"]].compactMap { $0 }
            }
        }
    }

    @Test func `what a client wants to see`() throws {
        let table =
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
        #expect(try Representation(accept: table) == .table(version: "v1"))
        #expect(
            try Representation(accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
                == .metadata(version: "v1"))
        #expect(try Representation(accept: "application/vnd.kubernetes.protobuf, application/json") == .object)
        #expect(try Representation(accept: "application/json;as=Table;g=meta.k8s.io;v=v9, */*;q=0.8") == .object)
        #expect(try Representation(accept: "") == .object)
        #expect(failure { _ = try Representation(accept: "application/vnd.kubernetes.protobuf") }?.reason == .notAcceptable)
        #expect(failure { _ = try Representation(accept: String(repeating: "a/b,", count: 1000)) }?.reason == .badRequest)
    }

    @Test func `a service as kubectl shows it`() throws {
        let world = TestWorld()
        let body = try yaml(
            """
            metadata: {name: web}
            spec: {clusterIP: 10.96.0.7, selector: {b: c, a: b}, ports: [{name: a, port: 80}, {name: b, port: 53, protocol: TCP}]}
            """
        )
        let service = TestWorld.stored(try world.create("/api/v1/namespaces/shop/services", body))
        let later = Timestamp(seconds: world.now.seconds + 75)
        let table = APITable(.service, version: "v1", include: .metadata, now: later)
        let document = table.document([service], metadata: ListMetadata(resourceVersion: "9"))
        let names = document["columnDefinitions"]?.sequenceValue?.compactMap { $0["name"]?.stringValue }
        #expect(names == ["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector"])
        let row = document["rows"]?.sequenceValue?.first
        #expect(row?["cells"] == ["web", "ClusterIP", "10.96.0.7", "<none>", "80/TCP,53/TCP", "75s", "a=b,b=c"])
        #expect(row?.at("object", "kind") == "PartialObjectMetadata" && row?.at("object", "metadata", "name") == "web")
        #expect(document["metadata"] == ["resourceVersion": "9"])
    }

    @Test func `cells are as many as columns, whatever the object says`() {
        for kind in APIKinds.all {
            for object in [
                Value.object([]), ["spec": 3, "status": [], "metadata": "x"], ["spec": ["nodes": 1, "ports": [1], "hosts": "x"]],
            ] {
                let document = APITable(kind, version: "v1", include: .none, now: Timestamp(seconds: 0)).document(object)
                let row = document["rows"]?.sequenceValue?.first
                #expect(
                    row?["cells"]?.sequenceValue?.count == document["columnDefinitions"]?.sequenceValue?.count
                        && row?["object"] == nil)
            }
        }
    }

    @Test func `a list is written from texts`() throws {
        var metadata = ListMetadata(resourceVersion: "12", remaining: 3)
        metadata.continuation = ContinueToken(revision: 12, namespace: "shop", name: "b")
        var text = APIList.head(.service, version: "v1", metadata: metadata)
        text += #"{"a":1},{"b":2}"#.utf8
        let list = try JSON.read(text + APIList.tail)
        #expect(list["kind"] == "ServiceList" && list["items"]?.sequenceValue?.count == 2)
        #expect(list.at("metadata", "continue") == "1.12.shop/b" && list.at("metadata", "remainingItemCount") == 3)
        let bookmark = APIList.bookmark(.service, version: "v1", representation: .object, revision: 5, endsInitialEvents: true)
        #expect(bookmark["kind"] == "Service" && bookmark.at("metadata", "resourceVersion") == "5")
        #expect(bookmark.at("metadata", "annotations")?["k8s.io/initial-events-end"] == "true")
    }
}
