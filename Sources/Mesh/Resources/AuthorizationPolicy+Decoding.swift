// SPDX-License-Identifier: Apache-2.0

import Documents

extension Resource {
    /// `security.istio.io AuthorizationPolicy`, with what TCP can tell apart from what only HTTP could.
    package struct AuthorizationPolicy: Hashable, Sendable {
        package enum Action: String, Hashable, Sendable, CaseIterable {
            case allow = "ALLOW"
            case deny = "DENY"
            case audit = "AUDIT"
            case custom = "CUSTOM"
        }

        package let metadata: Metadata
        /// Nil or empty: every workload of the namespace.
        package let selector: [String: String]?
        package let action: Action
        package let isDryRun: Bool
        /// It is a waypoint's, not ours.
        package let hasTargetRefs: Bool
        package let rules: [Rule]

        /// `from`, `to` and each `when` must hold; within the first two one element is enough.
        package struct Rule: Hashable, Sendable {
            package let line: Int
            package let from: [Authorization.Match]
            package let to: [Authorization.Match]
            package let when: [Authorization.Match]
            /// What in it only HTTP could tell: `methods`, `request.headers[x]`; without repetition.
            package let httpAttributes: [String]
        }
    }
}

extension Resource.AuthorizationPolicy {
    /// What Istio's own schema allows.
    private static let maximumRules = 512

    init(_ root: Fields, _ metadata: Resource.Metadata, _ decoder: ResourceDecoder) {
        self.metadata = metadata
        let spec = root.fields("spec") ?? Fields(.object([]), path: "spec", findings: root.findings)
        selector = WorkloadSelector.labels(spec)
        action = spec.choice("action", Action.self) ?? .allow
        isDryRun = Self.readDryRun(root, metadata)
        hasTargetRefs = spec.has("targetRefs") || spec.has("targetRef")
        let fields = spec.list("rules")
        if fields.count > Self.maximumRules {
            spec.report("rules", "more than \(Self.maximumRules) rules", remedy: "Split the policy into several.")
        }
        rules = fields.prefix(Self.maximumRules).map { Rule($0, namespace: metadata.namespace) }
        _ = spec.fields("provider")
        spec.finish()
        report(spec, decoder)
    }

    private static func readDryRun(_ root: Fields, _ metadata: Resource.Metadata) -> Bool {
        guard let text = metadata.annotations[WellKnown.dryRun] else { return false }
        if text == "true" || text == "false" { return text == "true" }
        let annotations = root.fields("metadata")?.fields("annotations") ?? root
        annotations.report(
            WellKnown.dryRun, "the annotation is \"\(text)\", not \"true\" or \"false\"",
            remedy: "Write \"true\" or \"false\", in quotes.")
        return false
    }

    private func report(_ spec: Fields, _ decoder: ResourceDecoder) {
        if hasTargetRefs {
            decoder.refuseWaypoint(spec, spec.has("targetRefs") ? "targetRefs" : "targetRef", "a policy of a waypoint")
            if selector != nil {
                spec.report("selector", "a policy has either a selector or targetRefs, not both", remedy: "Remove one of them.")
            }
        }
        if action == .custom { decoder.refuseWaypoint(spec, "action", "the judgement of another service (CUSTOM)") }
        if spec.has("provider"), action != .custom {
            spec.report("provider", "only a CUSTOM policy has a provider", remedy: "Remove the provider.")
        }
        if action == .audit {
            spec.report(
                "action", "an AUDIT policy denies and allows nothing",
                remedy: "Write `action: ALLOW` or `action: DENY` if it is to be enforced.", severity: .warning,
                code: MeshCode.notEnforced)
        }
        if isDryRun {
            spec.report(
                "rules", "a dry-run policy denies and allows nothing", remedy: "Remove the annotation when it is to be enforced.",
                severity: .warning, code: MeshCode.notEnforced)
        }
        if action == .deny, !hasTargetRefs, rules.isEmpty {
            spec.report(
                "rules", "a DENY policy without rules denies nothing",
                remedy: "Add a rule; an empty one, `- {}`, denies everything.", severity: .warning, code: MeshCode.selectsNothing)
        }
        guard !hasTargetRefs, action == .allow || action == .deny else { return }
        for (index, rule) in rules.enumerated() where !rule.httpAttributes.isEmpty { report(rule, index, spec) }
    }

    private func report(_ rule: Rule, _ index: Int, _ spec: Fields) {
        let names = rule.httpAttributes.joined(separator: ", ")
        let effect =
            action == .allow
            ? "so it allows nothing" : "so it denies as if they were not there, which is more"
        let place = Fields(Value(.mapping([]), at: Position(line: rule.line, column: 1)), path: "spec", findings: spec.findings)
        place.report(
            "rules[\(index)]", "rule \(index + 1) asks for what only HTTP can tell (\(names)), \(effect)",
            remedy: "Write it with what TCP shows: identities, namespaces, addresses, ports.", severity: .warning,
            code: MeshCode.httpAttribute)
    }
}

/// `selector: {matchLabels: {…}}`, as policies write it.
enum WorkloadSelector {
    static func labels(_ spec: Fields) -> [String: String]? {
        guard let selector = spec.fields("selector") else { return nil }
        let labels = selector.stringMap("matchLabels")
        let inner = selector.fields("matchLabels")
        for (key, value) in labels where key.contains("*") || value.contains("*") {
            inner?.report(key, "a selector has no wildcards", remedy: "Write the whole value of the label.")
        }
        selector.finish()
        return labels
    }
}
