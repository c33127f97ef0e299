// SPDX-License-Identifier: Apache-2.0

import Documents

/// What Kubernetes fills in of a namespace.
enum NamespaceRules {
    /// The label by which selectors find it, the finalizer that empties it, its phase.
    @Sendable static func complete(_ object: Value) -> Value {
        var object = object
        if let name = object.at("metadata", "name")?.stringValue {
            object = object.setting(["metadata", "labels", "kubernetes.io/metadata.name"], .string(name))
        }
        let isDying = object.at("metadata", "deletionTimestamp") != nil
        if !isDying, object.at("spec", "finalizers") == nil {
            object = object.setting(["spec", "finalizers"], ["kubernetes"])
        }
        return object.setting(["status", "phase"], .string(isDying ? "Terminating" : "Active"))
    }

    /// Its finalizers are changed through `finalize` only.
    @Sendable static func carry(_ object: Value, _ old: Value) -> Value {
        object.setting(["spec", "finalizers"], old.at("spec", "finalizers"))
    }
}
