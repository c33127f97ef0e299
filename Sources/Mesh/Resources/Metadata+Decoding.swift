// SPDX-License-Identifier: Apache-2.0

import Documents

extension Resource.Metadata {
    init(_ root: Fields, kind: ResourceKind, file: String) {
        let fields = root.fields("metadata") ?? Fields(.object([]), path: "metadata", findings: root.findings)
        self.init(
            kind: kind.name, name: fields.requiredString("name"), namespace: "", labels: fields.stringMap("labels"),
            annotations: fields.stringMap("annotations"), creationTimestamp: fields.string("creationTimestamp") ?? "",
            file: file, position: root.position)
        checkName(fields)
        readNamespace(fields, kind)
        // What an API server adds, and what means something to controllers only.
        fields.accept(
            "uid", "resourceVersion", "generation", "managedFields", "selfLink", "finalizers", "ownerReferences",
            "deletionTimestamp", "deletionGracePeriodSeconds", "generateName")
        fields.finish()
        checkLabels(fields)
        checkAnnotations(fields)
    }

    private func checkName(_ fields: Fields) {
        guard !name.isEmpty, !ResourceName.isSubdomain(name) else { return }
        fields.report(
            "name", "\"\(name)\" is no name: lower-case letters, digits, `-` and `.`, at most 253, as in Kubernetes",
            remedy: "Write one like web-1.")
    }

    private mutating func readNamespace(_ fields: Fields, _ kind: ResourceKind) {
        guard let namespace = fields.string("namespace") else {
            self.namespace = kind.isNamespaced ? "default" : ""
            return
        }
        guard kind.isNamespaced else {
            fields.report("namespace", "a \(kind.name) belongs to no namespace", remedy: "Remove the field.")
            return
        }
        self.namespace = namespace
        guard !ResourceName.isLabel(namespace) else { return }
        fields.report(
            "namespace", "\"\(namespace)\" is no namespace: lower-case letters, digits and `-`, at most 63",
            remedy: "Write one like shop.")
    }

    private func checkLabels(_ fields: Fields) {
        guard let inner = fields.fields("labels") else { return }
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
            if !ResourceName.isLabelValue(value) {
                inner.report(
                    key, "the value \"\(value)\" is none that a label may have",
                    remedy: "Write at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at each end.")
            }
            guard !WellKnown.guardedLabels.contains(key), let meant = suggestion(for: key, among: WellKnown.guardedLabels) else {
                continue
            }
            inner.report(
                key, "the label \(key) means nothing", remedy: "Did you mean `\(meant)`?", severity: .warning,
                code: MeshCode.unknownAnnotation)
        }
    }

    /// Under our own prefix everything means something: what doesn't is a slip that could leave a workload uncaptured.
    private func checkAnnotations(_ fields: Fields) {
        let known = WellKnown.ownAnnotations[kind, default: []].sorted()
        for (part, keys) in [("annotations", Array(annotations.keys)), ("labels", Array(labels.keys))] {
            for key in keys.sorted() where key.hasPrefix(WellKnown.ownPrefix) && (part == "labels" || !known.contains(key)) {
                let near = suggestion(for: key, among: known)
                let remedy =
                    known.contains(key)
                    ? "It is an annotation: write it under metadata.annotations."
                    : near.map { "Did you mean `\($0)`?" }
                        ?? (known.isEmpty
                            ? "A \(kind) takes none of \(WellKnown.ownPrefix)." : "Known here: \(known.joined(separator: ", ")).")
                (fields.fields(part) ?? fields).report(
                    key, "\(key) means nothing among the \(part) of a \(kind)", remedy: remedy, code: MeshCode.unknownAnnotation)
            }
        }
    }
}

extension Resource.Namespace {
    init(_ root: Fields, _ metadata: Resource.Metadata, _ decoder: ResourceDecoder) {
        self.metadata = metadata
        if !metadata.name.isEmpty, !ResourceName.isLabel(metadata.name) {
            root.report(
                "metadata", "\"\(metadata.name)\" is no namespace: lower-case letters, digits and `-`, at most 63",
                remedy: "Write one like shop.")
        }
        mode = Resource.DataplaneMode(root, metadata)
        decoder.checkWaypoint(root, metadata)
        nonTCP = root.fields("metadata")?.fields("annotations")?.choice(WellKnown.captureNonTCP, LocalWorkload.NonTCP.self)
        let spec = root.fields("spec")
        spec?.accept("finalizers")
        spec?.finish()
    }
}

extension Resource.DataplaneMode {
    /// The label of a namespace or a workload; nil if it isn't there.
    init?(_ root: Fields, _ metadata: Resource.Metadata) {
        guard metadata.labels[WellKnown.dataplaneMode] != nil,
            let mode = root.fields("metadata")?.fields("labels")?.choice(WellKnown.dataplaneMode, Self.self)
        else { return nil }
        self = mode
    }
}
