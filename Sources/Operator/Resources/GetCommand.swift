// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren get`: objects of the control plane, as the server lays them out or as documents.
enum GetCommand {
    static let command = Command(
        "get", "Show objects that the control plane keeps.",
        detail: "KIND is a plural, singular or short name of `warren api-resources`, or several with commas.",
        operands: "KIND [NAME …]",
        options: [
            ContextChoice.namespace, allNamespaces, ResourceTargets.selector,
            CommandOption("field-selector", value: "SELECTOR", "Only objects with these fields: metadata.name=web."),
            CommandOption(
                "output", short: "o", value: "FORMAT", choices: ResourceFormat.allCases.map(\.rawValue),
                "How to print: table (default), wide, json, yaml or name."),
            CommandOption("watch", short: "w", "Go on showing what changes."), ManifestReader.option,
        ] + ContextChoice.options,
        examples: [
            ("warren get services -n shop", "The services of namespace shop."),
            ("warren get authorizationpolicies -A -o wide", "The policies of all namespaces, with more columns."),
            ("warren get workloadentry web -n shop -o yaml", "One object as a document."),
            ("warren get nodes -w", "The hosts, and each change of one until interrupted."),
        ], run: run)

    static let allNamespaces = CommandOption("all-namespaces", short: "A", "Of all namespaces.")

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        guard !invocation.operands.isEmpty || invocation.has("file") else {
            return session.usage("get needs a kind", hint: "`warren api-resources` lists them.")
        }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let queries = try ResourceQuery.all(invocation, plane)
            if invocation.has("watch") {
                guard queries.count == 1, let query = queries.first else {
                    return session.usage("--watch follows one kind or one object", hint: "Name only one.")
                }
                return try ResourceWatch(query, invocation, plane, session).run()
            }
            return try show(queries, invocation, plane, session)
        }
    }

    private static func show(
        _ queries: [ResourceQuery], _ invocation: Invocation, _ plane: ControlPlane, _ session: Session
    ) throws(ControlFailure) -> ExitCode {
        let format = ResourceFormat(invocation)
        guard format.isTable else {
            var objects: [Value] = []
            for query in queries { objects += try query.objects(plane) }
            let isOne = queries.count == 1 && queries.first?.name != nil
            session.console.print(format.text(objects, isOne: isOne, queries))
            return .ok
        }
        var isFirst = true
        for query in queries {
            let table = ServerTable(try plane.get(query.path, accept: ServerTable.accept))
            if table.isEmpty {
                if queries.count == 1 { session.console.complain("\(query.nothingFound)\n") }
                continue
            }
            if !isFirst { session.console.print("\n") }
            isFirst = false
            session.console.print(
                table.text(
                    session.console, isWide: format == .wide, hasNamespaces: query.spansNamespaces,
                    kind: queries.count > 1 ? query.resource : nil))
        }
        return .ok
    }
}

/// How objects are printed.
enum ResourceFormat: String, CaseIterable {
    case table
    case wide
    case json
    case yaml
    case name

    init(_ invocation: Invocation) { self = invocation.value("output").flatMap(Self.init) ?? .table }

    var isTable: Bool { self == .table || self == .wide }

    /// Objects as documents; several are a `List`, as kubectl prints them.
    func text(_ objects: [Value], isOne: Bool, _ queries: [ResourceQuery]) -> String {
        if self == .name { return objects.map { Self.name($0, queries) + "\n" }.joined() }
        let document: Value =
            if isOne, let object = objects.first { object } else {
                ["apiVersion": "v1", "kind": "List", "metadata": [:], "items": .array(objects)]
            }
        return text(document)
    }

    func text(_ document: Value) -> String {
        (self == .json ? document.prettyJSON : YAML.write(document)).withoutDirectionMarks
    }

    static func name(_ object: Value, _ queries: [ResourceQuery]) -> String {
        let resource = queries.first { $0.resource.kind == object["kind"]?.stringValue }?.resource ?? queries.first?.resource
        return printable("\(resource?.label ?? "")/\(object["metadata"]?["name"]?.stringValue ?? "")")
    }
}

/// A question for objects: a kind, as a whole or of a namespace, or one object.
struct ResourceQuery {
    let resource: APIResource
    let namespace: String?
    let name: String?
    /// Behind the question mark, escaped; without it.
    let filters: [String]

    var path: String {
        let path = name.map { resource.path(namespace: namespace, name: $0) } ?? resource.path(namespace: namespace)
        return name != nil || filters.isEmpty ? path : "\(path)?\(filters.joined(separator: "&"))"
    }

    var spansNamespaces: Bool { resource.isNamespaced && namespace == nil }

    var nothingFound: String {
        let place = resource.isNamespaced ? namespace.map { " in namespace \(printable($0))" } ?? "" : ""
        return "There are no \(resource.plural)\(place)."
    }

    static func all(_ invocation: Invocation, _ plane: ControlPlane) throws(ControlFailure) -> [ResourceQuery] {
        var filters: [String] = []
        for (option, parameter) in [("selector", "labelSelector"), ("field-selector", "fieldSelector")] {
            if let text = invocation.value(option) { filters.append("\(parameter)=\(queryValue(text))") }
        }
        let operands = invocation.operands
        guard operands.count == 1, let kinds = operands.first, !kinds.contains("/") else {
            return try ResourceTargets.find(invocation, plane).map {
                ResourceQuery(resource: $0.resource, namespace: $0.namespace, name: $0.name, filters: [])
            }
        }
        var queries: [ResourceQuery] = []
        for kind in kinds.split(separator: ",") {
            let resource = try plane.resource(called: String(kind))
            let namespace = resource.isNamespaced && !invocation.has("all-namespaces") ? plane.namespace(invocation) : nil
            queries.append(ResourceQuery(resource: resource, namespace: namespace, name: nil, filters: filters))
        }
        return queries
    }

    /// The objects as documents, each with its kind, which lists leave out.
    func objects(_ plane: ControlPlane) throws(ControlFailure) -> [Value] {
        let document = try plane.get(path)
        guard name == nil else { return [document] }
        return (document["items"]?.sequenceValue ?? []).map { object in
            object["kind"] != nil || object.mappingValue == nil
                ? object
                : Value(
                    .mapping(
                        [
                            Value.Entry("apiVersion", .string(resource.apiVersion)), Value.Entry("kind", .string(resource.kind)),
                        ] + (object.mappingValue ?? []).filter { $0.key != "apiVersion" }))
        }
    }
}
