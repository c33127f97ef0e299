// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Mesh
internal import ResourceAPI

/// Which host made a WorkloadEntry itself: an annotation that only the control plane sets for hosts. What a host made may go with it; what an admin
/// wrote stays until somebody removes it (I21). Pure.
enum RegistrationMark {
    private static let place = ["metadata", "annotations", WellKnown.registeredBy]

    /// The object as it is to be stored.
    static func marked(_ object: Value, before: Value?, by principal: Principal) -> Value {
        guard case .node(let node) = principal.role else { return object }
        let mark = before == nil ? .string(node) : maker(of: before)
        if mark == nil, maker(of: object) == nil { return object }
        return object.setting(place, mark)
    }

    private static func maker(of object: Value?) -> Value? {
        object?["metadata"]?["annotations"]?[WellKnown.registeredBy]
    }

    /// Whether this host made it, and holds it still.
    static func isMade(_ object: Value, by node: String) -> Bool {
        maker(of: object)?.stringValue == node && Registration(object).node == node
    }
}
