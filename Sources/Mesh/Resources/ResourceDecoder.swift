// SPDX-License-Identifier: Apache-2.0

import Documents

/// Reads the documents of files into resources, and keeps what there is to say about them. Lives for one load.
struct ResourceDecoder {
    let options: MeshOptions
    let purpose: ResourcePurpose
    private(set) var set = ResourceSet()
    private(set) var findings: [Finding] = []

    init(options: MeshOptions, purpose: ResourcePurpose) {
        self.options = options
        self.purpose = purpose
    }

    mutating func read(file: String, text: [UInt8]) {
        do throws(DocumentFailure) {
            for document in try YAML.read(text) { decode(document, file: file) }
        } catch {
            findings.append(
                Finding(
                    .error, DocumentCode.unreadable, file: file, at: error.position, error.message, remedy: error.remedy))
        }
    }

    mutating func read(_ document: Value, file: String) { decode(document, file: file) }

    private mutating func decode(_ document: Value, file: String) {
        // What `kubectl get -o yaml` prints for several resources.
        if document["kind"]?.stringValue == "List", let items = document["items"]?.sequenceValue {
            for item in items { decode(item, file: file) }
            return
        }
        let list = FindingList()
        let root = Fields(document, findings: list)
        let name = decode(root, file: file)
        findings += list.findings.map { Finding($0, file: file, resource: name) }
    }

    /// Decodes one resource into the set unless it is wrong; returns what findings call it.
    private mutating func decode(_ root: Fields, file: String) -> String {
        let apiVersion = root.string("apiVersion") ?? ""
        let kind = root.string("kind") ?? ""
        guard !apiVersion.isEmpty, !kind.isEmpty else {
            root.report(
                apiVersion.isEmpty ? "apiVersion" : "kind", "this is no resource: it lacks `apiVersion` or `kind`",
                remedy: "A resource begins with both, as in Kubernetes.", code: MeshCode.notAResource)
            return ""
        }
        guard let known = ResourceKind.named(kind, apiVersion: apiVersion, root) else { return kind }
        let metadata = Resource.Metadata(root, kind: known, file: file)
        switch known.use {
        case .none:
            root.report(
                "kind", "\(kind) is taken, but nothing here uses it yet",
                remedy: "Nothing need be done; what it asks for does not happen.", severity: .warning, code: MeshCode.unusedKind)
            return metadata.displayName
        case .namespace: keep(Resource.Namespace(root, metadata, self), root, \.namespaces)
        case .service: keep(Resource.Service(root, metadata, self), root, \.services)
        case .workloadEntry: keep(Resource.WorkloadEntry(root, metadata, self), root, \.workloadEntries)
        case .serviceEntry: keep(Resource.ServiceEntry(root, metadata, self), root, \.serviceEntries)
        case .authorizationPolicy: keep(Resource.AuthorizationPolicy(root, metadata, self), root, \.authorizationPolicies)
        case .peerAuthentication: keep(Resource.PeerAuthentication(root, metadata, self), root, \.peerAuthentications)
        }
        return metadata.displayName
    }

    private mutating func keep<Kind>(_ resource: Kind, _ root: Fields, _ list: WritableKeyPath<ResourceSet, [Kind]>) {
        root.accept("status")
        root.finish()
        if !root.findings.hasErrors { set[keyPath: list].append(resource) }
    }

    /// What a label that asks for a waypoint leaves behind.
    func checkWaypoint(_ root: Fields, _ metadata: Resource.Metadata) {
        guard let waypoint = metadata.labels[WellKnown.useWaypoint], waypoint != "none" else { return }
        refuseWaypoint(root.fields("metadata")?.fields("labels") ?? root, WellKnown.useWaypoint, "the waypoint \(waypoint)")
    }

    /// Reports something that only a waypoint could do.
    func refuseWaypoint(_ fields: Fields, _ key: String, _ what: String) {
        fields.report(
            key, "\(what) is asked for, but no waypoint stands here: ignoring this would let traffic past what it checks",
            remedy: "Remove it, or write an AuthorizationPolicy with a selector and without HTTP attributes.",
            severity: purpose.refusal, code: MeshCode.needsWaypoint)
    }
}

/// Reads resources from the texts of files; pure, the caller has read them. A set with an error among its findings is not to be used;
/// it holds only the resources that are right by themselves.
package func loadResources(
    files: [(name: String, text: [UInt8])], options: MeshOptions = MeshOptions(), purpose: ResourcePurpose = .apply
) -> (ResourceSet, [Finding]) {
    var decoder = ResourceDecoder(options: options, purpose: purpose)
    for file in files { decoder.read(file: file.name, text: file.text) }
    var checks = SetChecks(decoder.set, options: options, purpose: purpose)
    checks.run()
    // In the order of the files given, then by line: as people read them.
    let order = Dictionary(files.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    let findings = (decoder.findings + checks.findings).sorted { a, b in
        (order[a.file] ?? 0, a.line, a.column) < (order[b.file] ?? 0, b.line, b.column)
    }
    return (decoder.set, findings)
}
