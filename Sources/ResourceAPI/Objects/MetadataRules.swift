// SPDX-License-Identifier: Apache-2.0

import Documents

/// What metadata must be, in the words of Kubernetes' validation.
enum MetadataRules {
    /// Keys and values of all annotations together.
    static let maximumAnnotations = 256 << 10
    static let maximumFinalizers = 64
    /// Faults of one sort that are listed.
    private static let maximumListed = 32

    static func check(_ object: Value, _ kind: APIKind) -> [FieldError] {
        let metadata = object["metadata"] ?? .null
        var errors: [FieldError] = []
        let name = metadata["name"]?.stringValue ?? ""
        if name.isEmpty {
            errors.append(FieldError(.required, "metadata.name", "name or generateName is required"))
        } else if let fault = NameSyntax.fault(name, kind.nameRule) {
            errors.append(FieldError(.invalid, "metadata.name", value: Value.string(name).json, fault))
        }
        if let namespace = metadata["namespace"]?.stringValue {
            if !kind.isNamespaced {
                errors.append(FieldError(.forbidden, "metadata.namespace", "not allowed on this type"))
            } else if !NameSyntax.isLabel(namespace) {
                errors.append(
                    FieldError(.invalid, "metadata.namespace", value: Value.string(namespace).json, NameSyntax.labelRule))
            }
        }
        return errors + labels(metadata) + annotations(metadata) + lists(metadata)
    }

    private static func labels(_ metadata: Value) -> [FieldError] {
        var errors: [FieldError] = []
        for entry in metadata["labels"]?.mappingValue ?? [] where errors.count < maximumListed {
            if !LabelSyntax.isKey(entry.key) {
                errors.append(
                    FieldError(.invalid, "metadata.labels", value: Value.string(entry.key).json, NameSyntax.labelKeyRule))
            }
            if let value = entry.value.stringValue, !LabelSyntax.isValue(value) {
                let rule = value.utf8.count > 63 ? "must be no more than 63 bytes" : NameSyntax.labelValueRule
                errors.append(FieldError(.invalid, "metadata.labels", value: Value.string(value).json, rule))
            }
        }
        return errors
    }

    private static func annotations(_ metadata: Value) -> [FieldError] {
        let entries = metadata["annotations"]?.mappingValue ?? []
        var errors = Array(entries.lazy.filter { !LabelSyntax.isKey($0.key.lowercased()) }.prefix(maximumListed)).map {
            FieldError(.invalid, "metadata.annotations", value: Value.string($0.key).json, NameSyntax.labelKeyRule)
        }
        let size = entries.reduce(0) { $0 + $1.key.utf8.count + ($1.value.stringValue?.utf8.count ?? 0) }
        if size > maximumAnnotations {
            errors.append(FieldError(.tooLong, "metadata.annotations", "may not be more than \(maximumAnnotations) bytes"))
        }
        return errors
    }

    private static func lists(_ metadata: Value) -> [FieldError] {
        let finalizers = metadata["finalizers"]?.strings ?? []
        var errors: [FieldError] = []
        if finalizers.count > maximumFinalizers {
            errors.append(FieldError(.tooMany, "metadata.finalizers", "must have at most \(maximumFinalizers) items"))
        }
        for (index, finalizer) in finalizers.enumerated() where !LabelSyntax.isKey(finalizer) {
            errors.append(
                FieldError(
                    .invalid, "metadata.finalizers[\(index)]", value: Value.string(finalizer).json,
                    "name is neither a standard finalizer name nor is it fully qualified"))
        }
        return errors
    }

    /// An object that is being deleted is only let go.
    static func checkFinalizers(_ object: Value, _ old: Value) -> [FieldError] {
        guard old.at("metadata", "deletionTimestamp") != nil else { return [] }
        let before = Set(old.at("metadata", "finalizers")?.strings ?? [])
        let added = (object.at("metadata", "finalizers")?.strings ?? []).filter { !before.contains($0) }
        guard !added.isEmpty else { return [] }
        let listed = added.map { "\"\($0)\"" }.joined(separator: ", ")
        return [
            FieldError(
                .forbidden, "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, found new finalizers [\(listed)]")
        ]
    }
}
