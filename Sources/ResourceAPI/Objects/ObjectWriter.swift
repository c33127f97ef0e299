// SPDX-License-Identifier: Apache-2.0

package import Documents

/// Decides what a write makes of an object: a pure function of the request, what stands, and a look around. The caller stores the
/// result under the condition that what stood still stands; if it doesn't, it asks again with what stands then.
///
///     body ─► checked against the schema ─► what the server keeps ─► defaults ─► may the asker? ─► rules, mesh ─► owners of fields ─► object
package struct ObjectWriter {
    package struct Result: Sendable {
        /// In the storage version, without a new `resourceVersion`: the old one if it was an update.
        package var object: Value
        package let change: ObjectChange
        /// For `Warning: 299 - "…"` headers.
        package let warnings: [String]
    }

    /// What an object may have as text in the store, a little below what etcd takes.
    package static let maximumBytes = 1 << 20

    /// Characters of one warning.
    private static let maximumWarning = 512

    let request: APIRequest
    let context: WriteContext
    var warnings: [String] = []

    package init(_ request: APIRequest, _ context: WriteContext) {
        self.request = request
        self.context = context
    }

    var kind: APIKind { request.kind }

    // MARK: - The writes

    /// POST.
    package mutating func create(_ body: Value) throws(APIStatus) -> Result {
        var object = try checked(body)
        if let version = object.at("metadata", "resourceVersion")?.stringValue, !version.isEmpty {
            throw APIStatus(.badRequest, "resourceVersion should not be set on objects to be created")
        }
        object = try named(object)
        return try made(object, fields: nil)
    }

    /// PUT.
    package mutating func update(_ body: Value, old: Value) throws(APIStatus) -> Result {
        try replaced(try checked(body), old: old, fields: nil)
    }

    /// PATCH, of any type. `old` is nil if there is no such object, which only an apply may make.
    package mutating func patch(_ type: PatchType, _ document: Value, old: Value?) throws(APIStatus) -> Result {
        if type == .apply { return try apply(document, old: old) }
        if request.options.force { throw APIStatus(.badRequest, "force: Forbidden: may not be specified for non-apply patch") }
        guard let old else { throw .notFound(kind, request.name ?? "") }
        // What stands may be of a newer version of this program: fields that only that one knows are not the client's fault.
        var check = SchemaCheck()
        let seen = kind.object(check.prune(old, kind.schema), as: request.version)
        let patched =
            switch type {
            case .json: try JSONPatch(document).apply(to: seen)
            case .merge: MergePatch.apply(try Self.mapping(document), to: seen)
            case .strategicMerge: try StrategicMerge.apply(try Self.mapping(document), to: seen, kind.schema)
            case .apply: seen
            }
        return try update(patched, old: old)
    }

    private mutating func apply(_ document: Value, old: Value?) throws(APIStatus) -> Result {
        guard request.options.fieldManager != nil else {
            throw APIStatus(
                .badRequest, "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
            )
        }
        let config = try named(try checked(document))
        if let list = config.at("metadata", "managedFields")?.sequenceValue, !list.isEmpty {
            throw APIStatus(.badRequest, "metadata.managedFields must be nil")
        }
        let faults = TypedMerge.faults(config, kind.schema)
        guard faults.isEmpty else { throw .invalid(kind, request.name ?? "", faults) }
        let ownership = ownership(.apply)
        let live = old.map { kind.object($0, as: kind.storageVersion) }
        let known = live.map { ManagedFields(of: $0) } ?? ManagedFields()
        let wanted = config.setting(["metadata", "managedFields"], nil)
        let (object, fields) = try ownership.applied(wanted, to: live, known, force: request.options.force)
        guard let live else {
            guard request.subresource == nil else { throw .notFound(kind, request.name ?? "") }
            return try made(object, fields: fields)
        }
        return try replaced(object, old: live, fields: fields)
    }

    // MARK: - New objects

    private mutating func made(_ written: Value, fields: ManagedFields?) throws(APIStatus) -> Result {
        var object = written
        let name = object.at("metadata", "name")?.stringValue ?? ""
        if kind.hasStatus { object = object.setting("status", nil) }
        var metadata = object["metadata"] ?? .object([])
        for key in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "managedFields"] {
            metadata = metadata.setting(key, nil)
        }
        metadata = metadata.setting("uid", .string(context.uid))
        metadata = metadata.setting("creationTimestamp", .string(context.now.description))
        metadata = metadata.setting("generation", 1)
        object = completed(object.setting("metadata", metadata))
        try context.judge(nil, object)
        let labels = try namespaceLabels(name)
        try validate(object, old: nil, name: name, labels)
        let owners = fields ?? ownership(.update).updated(ManagedFields(), from: nil, to: object)
        return try finished(owners.written(to: object), .created)
    }

    /// Of the namespace that it is to be in.
    private func namespaceLabels(_ name: String) throws(APIStatus) -> [String: String] {
        guard kind.isNamespaced, let namespace = request.namespace else { return [:] }
        switch context.namespace(namespace) {
        case .active(let labels): return labels
        case .absent: throw .notFound(.namespace, namespace)
        case .terminating:
            var status = APIStatus.forbidden(
                kind, name, "unable to create new content in namespace \(namespace) because it is being terminated")
            status.causes = [
                APIStatus.Cause(
                    reason: "NamespaceTerminating", message: "namespace \(namespace) is being terminated",
                    field: "metadata.namespace")
            ]
            throw status
        }
    }

    // MARK: - Objects that are there

    /// - Parameter fields: who owns what, if that is decided already.
    private mutating func replaced(_ written: Value, old: Value, fields: ManagedFields?) throws(APIStatus) -> Result {
        let old = kind.object(old, as: kind.storageVersion)
        var object = try named(written)
        try checkPreconditions(object, old)
        object = carried(object, old)
        let name = request.name ?? ""
        object = completed(object)
        // Who lets go of what is being deleted makes nothing of it.
        if !isReleased(object) { try context.judge(old, object) }
        let bump = Self.wanted(object) != Self.wanted(old)
        let generation = old.at("metadata", "generation")?.integerValue ?? 1
        object = object.setting(["metadata", "generation"], .integer(bump ? generation &+ 1 : generation))
        var labels: [String: String] = [:]
        if kind.isNamespaced, let namespace = request.namespace, case .active(let known) = context.namespace(namespace) {
            labels = known
        }
        try validate(object, old: old, name: name, labels)
        let before = ManagedFields(of: fields == nil ? written : old)
        // Who sends none back keeps what was known; an empty list is a wish to forget it.
        let known = written.at("metadata", "managedFields") == nil ? ManagedFields(of: old) : before
        let owners = fields ?? ownership(.update).updated(known, from: old, to: object)
        object = owners.written(to: object)
        if isReleased(object) { return try finished(object, .removed) }
        let isSame = object.setting(["metadata", "managedFields"], nil) == old.setting(["metadata", "managedFields"], nil)
        return isSame && owners == ManagedFields(of: old) ? try finished(old, .unchanged) : try finished(object, .updated)
    }

    private func checkPreconditions(_ object: Value, _ old: Value) throws(APIStatus) {
        let name = request.name ?? ""
        if let uid = object.at("metadata", "uid")?.stringValue, !uid.isEmpty, let isUID = old.at("metadata", "uid")?.stringValue,
            uid != isUID
        {
            throw .conflict(
                kind, name, "Precondition failed: UID in precondition: \(uid.prefix(64)), UID in object meta: \(isUID)")
        }
        if let version = object.at("metadata", "resourceVersion")?.stringValue, !version.isEmpty, version != "0",
            version != old.at("metadata", "resourceVersion")?.stringValue
        {
            throw .modified(kind, name)
        }
    }

    /// What the request can't change stays as it was.
    private func carried(_ object: Value, _ old: Value) -> Value {
        var object = object
        switch request.subresource {
        case .status: object = old.setting("status", object["status"])
        case .finalize:
            let wanted = object.at("spec", "finalizers")
            return old.setting(["spec", "finalizers"], wanted ?? .array([]))
        case nil: if kind.hasStatus { object = object.setting("status", old["status"]) }
        }
        var metadata = object["metadata"] ?? .object([])
        for key in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"]
        {
            metadata = metadata.setting(key, old.at("metadata", key))
        }
        object = object.setting("metadata", metadata)
        return request.subresource == nil ? kind.carry(object, old) : object
    }

    /// What is wanted of the object, as opposed to what it is called and what is known of it.
    private static func wanted(_ object: Value) -> Value {
        object.setting("metadata", nil).setting("status", nil).setting("apiVersion", nil)
    }

    /// Whether it was only waiting for whoever held it.
    private func isReleased(_ object: Value) -> Bool {
        object.at("metadata", "deletionTimestamp") != nil && !Self.isHeld(object, kind)
    }

    static func isHeld(_ object: Value, _ kind: APIKind) -> Bool {
        !(object.at("metadata", "finalizers")?.strings ?? []).isEmpty
            || (kind == .namespace && !(object.at("spec", "finalizers")?.strings ?? []).isEmpty)
    }

    // MARK: - Common

    private func completed(_ object: Value) -> Value {
        let head = object.setting("apiVersion", .string(kind.storageAPIVersion)).setting("kind", .string(kind.kind))
        return kind.complete(SchemaDefaults.fill(head, kind.schema))
    }

    private mutating func validate(_ object: Value, old: Value?, name: String, _ labels: [String: String]) throws(APIStatus) {
        var errors = MetadataRules.check(object, kind) + SchemaDefaults.missing(object, kind.schema)
        errors += kind.check(object, old)
        if let old { errors += MetadataRules.checkFinalizers(object, old) }
        // Who only reports or lets go isn't held to rules that came after the object.
        if errors.isEmpty, request.subresource == nil, old?.at("metadata", "deletionTimestamp") == nil {
            let mesh = MeshAdmission(object, kind, namespaceLabels: labels, mesh: context.mesh)
            errors = mesh.errors + MeshAdmission.checkAddress(object, kind, context)
            warnings += mesh.warnings
        }
        guard errors.isEmpty else { throw .invalid(kind, name, errors) }
    }

    func ownership(_ operation: FieldManager.Operation) -> Ownership {
        let apiVersion = kind.apiVersion(request.version)
        let name = FieldManager.name(request.options, userAgent: context.userAgent)
        return Ownership(
            kind: kind, apiVersion: apiVersion,
            manager: FieldManager(name, operation, apiVersion: apiVersion, subresource: request.subresource?.rawValue ?? ""),
            now: context.now)
    }

    private func finished(_ object: Value, _ change: ObjectChange) throws(APIStatus) -> Result {
        guard change == .unchanged || object.jsonBytes.count <= Self.maximumBytes else {
            throw APIStatus(.tooLarge, "an object may have \(Self.maximumBytes) bytes: split it into several")
        }
        return Result(object: object, change: change, warnings: warnings.map(Self.headerText))
    }

    /// Warnings go into headers and may hold what a client wrote: nothing that would end the line, and no more than a line.
    private static func headerText(_ warning: String) -> String {
        let scalars = warning.unicodeScalars.prefix(maximumWarning).map { (0x20...0x7e).contains($0.value) ? $0 : "?" }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private static func mapping(_ document: Value) throws(APIStatus) -> Value {
        guard document.mappingValue != nil else {
            throw APIStatus(.badRequest, "a patch is an object, this is \(document.kindName)")
        }
        return document
    }
}
