// SPDX-License-Identifier: Apache-2.0

import Documents

/// The paths of a kind in OpenAPI documents, with the parameters by which kubectl knows what it may ask for.
enum OpenAPIPaths {
    static func all(_ kind: APIKind, _ version: String, _ form: OpenAPI.Form) -> [(String, Value)] {
        let base = kind.group.isEmpty ? "/api/\(version)" : "/apis/\(kind.group)/\(version)"
        let collection = kind.isNamespaced ? "\(base)/namespaces/{namespace}/\(kind.plural)" : "\(base)/\(kind.plural)"
        let writer = Operations(kind: kind, version: version, form: form)
        var paths = [
            (collection, writer.path([("get", "list"), ("post", "post"), ("delete", "deletecollection")], isItem: false)),
            (
                "\(collection)/{name}",
                writer.path([("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete")], isItem: true)
            ),
        ]
        if kind.isNamespaced {
            paths.append(("\(base)/\(kind.plural)", writer.path([("get", "list")], isItem: false, isAll: true)))
        }
        if kind.hasStatus {
            paths.append(
                (
                    "\(collection)/{name}/status",
                    writer.path([("get", "get"), ("put", "put"), ("patch", "patch")], isItem: true, part: "Status")
                ))
        }
        return paths
    }

    private struct Operations {
        let kind: APIKind
        let version: String
        let form: OpenAPI.Form

        func path(_ methods: [(String, String)], isItem: Bool, isAll: Bool = false, part: String = "") -> Value {
            var names = isItem ? [parameter("name", "string", "The name of the object.", isPath: true)] : []
            if kind.isNamespaced, !isAll {
                names.append(parameter("namespace", "string", "The namespace of the object.", isPath: true))
            }
            let operations = methods.map { ($0.0, operation($0.0, action: $0.1, isAll: isAll, part: part)) }
            return .object(operations + [("parameters", .array(names))])
        }

        private func operation(_ method: String, action: String, isAll: Bool, part: String) -> Value {
            let scope = isAll ? "ForAllNamespaces" : kind.isNamespaced ? "Namespaced" : ""
            let group = kind.group.isEmpty ? "core" : kind.group.split(separator: ".").joined(separator: "_")
            var parameters = query(action)
            let reference: Value = ["$ref": .string(form.references + OpenAPI.name(kind, version))]
            var entries: [(String, Value)] = [
                ("operationId", .string("\(action)\(scope)\(kind.kind)\(part)_\(group)_\(version)")),
                ("tags", [.string("\(group)_\(version)")]),
                ("x-kubernetes-action", .string(action)), ("x-kubernetes-group-version-kind", OpenAPI.gvk(kind, version)),
            ]
            if ["post", "put", "patch"].contains(method) {
                let types = method == "patch" ? patches : ["application/json", "application/yaml"]
                let body: Value = method == "patch" ? ["type": "object"] : reference
                switch form {
                case .v3:
                    entries.append(("requestBody", ["required": true, "content": .object(types.map { ($0, ["schema": body]) })]))
                case .v2:
                    parameters.append(["name": "body", "in": "body", "required": true, "schema": body])
                    entries.append(("consumes", .array(types.map { .string($0) })))
                }
            }
            entries.append(("parameters", .array(parameters)))
            let answer: Value =
                switch form {
                case .v3: ["description": "OK", "content": ["application/json": ["schema": reference]]]
                case .v2: ["description": "OK", "schema": reference]
                }
            entries.append(("responses", ["200": answer]))
            return .object(entries)
        }

        private var patches: [String] {
            PatchType.allCases.filter { $0 != .strategicMerge || kind.hasStrategicMerge }.map(\.rawValue)
        }

        private func query(_ action: String) -> [Value] {
            let write = [
                parameter("dryRun", "string", "All: nothing is stored."),
                parameter("fieldManager", "string", "Who manages the fields that are written."),
                parameter("fieldValidation", "string", "Strict, Warn or Ignore: what happens to fields that nobody knows."),
            ]
            switch action {
            case "list":
                return [
                    parameter("labelSelector", "string", "Only objects with such labels."),
                    parameter("fieldSelector", "string", "Only objects with such fields: metadata.name, metadata.namespace."),
                    parameter("limit", "integer", "How many at most."), parameter("continue", "string", "Where to go on."),
                    parameter("resourceVersion", "string", "As of when."),
                    parameter("resourceVersionMatch", "string", "Exact or NotOlderThan."),
                    parameter("watch", "boolean", "Tell of changes as they come."),
                    parameter("allowWatchBookmarks", "boolean", "Tell how far the watch has come."),
                    parameter("sendInitialEvents", "boolean", "Begin a watch with what there is."),
                    parameter("timeoutSeconds", "integer", "How long to watch."),
                ]
            case "post", "put": return write
            case "patch": return write + [parameter("force", "boolean", "Take fields from other managers.")]
            case "delete", "deletecollection":
                return [
                    parameter("dryRun", "string", "All: nothing is stored."),
                    parameter("propagationPolicy", "string", "Orphan, Background or Foreground."),
                    parameter("gracePeriodSeconds", "integer", "Not used here."),
                ]
            default: return []
            }
        }

        private func parameter(_ name: String, _ type: String, _ description: String, isPath: Bool = false) -> Value {
            var entries: [(String, Value)] = [
                ("name", .string(name)), ("in", isPath ? "path" : "query"), ("description", .string(description)),
            ]
            if isPath { entries.append(("required", true)) }
            switch form {
            case .v3: entries.append(("schema", ["type": .string(type), "uniqueItems": true]))
            case .v2: entries += [("type", .string(type)), ("uniqueItems", true)]
            }
            return .object(entries)
        }
    }
}
