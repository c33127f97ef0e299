// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents

/// What a grant must say to mean something: a slip here would give a host more, or less, than was meant (I19).
enum NodeGrantRules {
    @Sendable static func check(_ object: Value, _ old: Value?) -> [FieldError] {
        let spec = object["spec"] ?? .null
        let isOpen = (spec["namespaces"]?.strings ?? []).isEmpty && (spec["serviceAccounts"]?.strings ?? []).isEmpty
        let missing =
            isOpen
            ? [FieldError(.required, "spec.namespaces", "name namespaces or serviceAccounts: it grants nothing as it is")] : []
        let nowhere =
            (spec["addresses"]?.strings ?? []).isEmpty
            ? [FieldError(.required, "spec.addresses", "name the blocks where the workloads may be: it grants nothing as it is")]
            : []
        return missing + nowhere + names(spec["nodes"], "spec.nodes", allowsAll: true, isName: LabelSyntax.isSubdomain)
            + names(spec["namespaces"], "spec.namespaces", allowsAll: true, isName: NameSyntax.isLabel)
            + names(spec["serviceAccounts"], "spec.serviceAccounts", allowsAll: false, isName: isAccount)
            + blocks(spec["addresses"], "spec.addresses")
    }

    private static func names(
        _ list: Value?, _ field: String, allowsAll: Bool, isName: (String) -> Bool
    ) -> [FieldError] {
        (list?.strings ?? []).enumerated().compactMap { index, text in
            if isName(text) || (allowsAll && text == "*") { return nil }
            let form = field == "spec.serviceAccounts" ? "NAMESPACE/NAME" : "a name in lower case, or `*` alone"
            return FieldError(.invalid, "\(field)[\(index)]", value: Value.string(text).json, "must be \(form)")
        }
    }

    private static func isAccount(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { return false }
        return NameSyntax.isLabel(parts[0]) && LabelSyntax.isSubdomain(parts[1])
    }

    private static func blocks(_ list: Value?, _ field: String) -> [FieldError] {
        (list?.strings ?? []).enumerated().compactMap { index, text in
            if IPPrefix(text) != nil { return nil }
            return FieldError(
                .invalid, "\(field)[\(index)]", value: Value.string(text).json, "must be an address or a block, like 10.0.0.0/8")
        }
    }
}
