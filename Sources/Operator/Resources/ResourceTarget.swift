// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// One object that a command is about.
struct ResourceTarget {
    let resource: APIResource
    /// Nil for kinds without namespaces.
    let namespace: String?
    let name: String

    init(_ resource: APIResource, namespace: String?, name: String) {
        self.resource = resource
        self.namespace = resource.isNamespaced ? namespace : nil
        self.name = name
    }

    var path: String { resource.path(namespace: namespace, name: name) }
    /// `service/db`, `authorizationpolicy.security.istio.io/db`.
    var label: String { "\(resource.label)/\(name)" }
}

/// How commands name objects: `KIND NAME …`, `KIND/NAME …`, or files.
enum ResourceTargets {
    static let operands = "KIND NAME|KIND/NAME …"
    static let selector = CommandOption(
        "selector", short: "l", value: "SELECTOR", "Only objects with these labels: app=web,tier!=db.")

    /// What the operands and `-f` name. Empty if they name nothing.
    static func find(_ invocation: Invocation, _ plane: ControlPlane) throws(ControlFailure) -> [ResourceTarget] {
        try named(invocation.operands, invocation, plane) + files(invocation, plane)
    }

    static func named(
        _ operands: [String], _ invocation: Invocation, _ plane: ControlPlane
    ) throws(ControlFailure) -> [ResourceTarget] {
        var targets: [ResourceTarget] = []
        if operands.contains(where: { $0.contains("/") }) {
            for operand in operands {
                let parts = operand.split(separator: "/", maxSplits: 1).map(String.init)
                guard parts.count == 2 else {
                    throw ControlFailure(
                        "`\(operand)` isn't KIND/NAME", remedy: "Write all as KIND/NAME, or one kind and then names.")
                }
                targets.append(try target(plane.resource(called: parts[0]), parts[1], invocation, plane))
            }
        } else if let kind = operands.first {
            let resource = try plane.resource(called: kind)
            for name in operands.dropFirst() { targets.append(try target(resource, name, invocation, plane)) }
        }
        return targets
    }

    private static func target(
        _ resource: APIResource, _ name: String, _ invocation: Invocation, _ plane: ControlPlane
    ) throws(ControlFailure) -> ResourceTarget {
        guard !name.isEmpty, name.utf8.count <= 253 else {
            throw ControlFailure("`\(name)` can't be a name", remedy: "Names have 1 to 253 characters.")
        }
        return ResourceTarget(resource, namespace: plane.namespace(invocation), name: name)
    }

    private static func files(_ invocation: Invocation, _ plane: ControlPlane) throws(ControlFailure) -> [ResourceTarget] {
        guard invocation.has("file") else { return [] }
        var targets: [ResourceTarget] = []
        for object in try ManifestReader.read(invocation.all("file")) {
            targets.append(try self.target(of: object, invocation, plane))
        }
        return targets
    }

    /// Which object of the control plane one of a file is.
    static func target(
        of object: ManifestObject, _ invocation: Invocation, _ plane: ControlPlane
    ) throws(ControlFailure) -> ResourceTarget {
        for (field, value) in [("apiVersion", object.apiVersion), ("kind", object.kind), ("metadata.name", object.name)]
        where value.isEmpty {
            throw ControlFailure("\(field) is missing", remedy: "Add it: every object needs one.")
        }
        let resource = try plane.resource(apiVersion: object.apiVersion, kind: object.kind)
        if resource.isNamespaced, let wanted = invocation.value("namespace"), !object.namespace.isEmpty,
            object.namespace != wanted
        {
            throw ControlFailure(
                "metadata.namespace is `\(object.namespace)`, but --namespace says `\(wanted)`", remedy: "Remove one of them.")
        }
        let namespace = object.namespace.isEmpty ? plane.namespace(invocation) : object.namespace
        return ResourceTarget(resource, namespace: namespace, name: object.name)
    }
}
