// SPDX-License-Identifier: Apache-2.0

/// The guard against a file that was emptied by accident (I18).
package enum MeshChange {
    /// Why the new state isn't applied: it is empty, drops every policy or releases every workload. Nil if it may be, or if
    /// `allowEmpty` says that somebody means it.
    package static func refusalToApply(old: MeshState, new: MeshState, allowEmpty: Bool) -> String? {
        guard !allowEmpty else { return nil }
        let remedy = "if that is meant, set mesh.allowEmpty"
        if isEmpty(new), !isEmpty(old) { return "the new resources are none at all; \(remedy)" }
        if new.authorizations.isEmpty, !old.authorizations.isEmpty {
            return "the new resources hold none of the \(old.authorizations.count) policies; \(remedy)"
        }
        let (before, after) = (old.local.count { $0.captured }, new.local.count { $0.captured })
        if after == 0, before > 0 { return "the new resources release all \(before) captured workloads; \(remedy)" }
        return nil
    }

    private static func isEmpty(_ state: MeshState) -> Bool {
        state.workloads.isEmpty && state.services.isEmpty && state.authorizations.isEmpty
    }
}
