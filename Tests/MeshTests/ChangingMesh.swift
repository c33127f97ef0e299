// SPDX-License-Identifier: Apache-2.0

import Mesh
import Testing

/// Numbers that look random and are the same each time (xorshift).
struct Dice {
    private var state: UInt64

    init(seed: UInt64) { state = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15 }

    mutating func next(_ sides: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(sides))
    }

    mutating func one<Element>(of all: [Element]) -> Element { all[next(all.count)] }
}

/// A small mesh whose resources get in each other's way as often as possible.
struct ChangingMesh {
    private(set) var texts: [TranslatedName: String] = [:]

    private static let spaces = ["istio-system", "shop", "web"]

    /// Adds, changes or removes one resource.
    mutating func change(_ dice: inout Dice) -> TranslatedName {
        let space = dice.one(of: Self.spaces)
        let name = dice.one(of: ["a", "b", "c", "d"])
        let kind = dice.one(of: TranslatedName.Kind.allCases + [.workloadEntry, .workloadEntry])
        let place = kind == .namespace ? TranslatedName(kind, space) : TranslatedName(kind, namespace: space, name)
        texts[place] = dice.next(4) == 0 ? nil : Self.text(place, &dice)
        return place
    }

    private static func text(_ place: TranslatedName, _ dice: inout Dice) -> String {
        let (space, name) = (place.namespace, place.name)
        switch place.kind {
        case .namespace:
            return namespace(name, mode: dice.one(of: ["ambient", "none", nil]), nonTCP: dice.one(of: ["drop", nil]))
        case .service:
            return service(space, name, selector: labels(&dice), type: dice.one(of: ["ClusterIP", "ClusterIP", "ExternalName"]))
        case .workloadEntry:
            return entry(
                space, name, address: "10.0.\(dice.next(3)).\(dice.next(3))", labels: labels(&dice),
                node: dice.one(of: ["n1", "n2", nil]), mode: dice.one(of: [nil, nil, "ambient", "none"]))
        case .serviceEntry: return serviceEntry(space, name, &dice)
        case .authorizationPolicy:
            return """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                \(metadata(space, name))
                spec:
                  action: \(dice.one(of: ["ALLOW", "DENY", "AUDIT"]))
                \(selector(&dice))
                  rules: [{to: [{operation: {ports: ["\(80 + dice.next(3))"]}}]}]
                """
        case .peerAuthentication:
            let chosen = space == "istio-system" ? "" : selector(&dice)
            let ports =
                chosen.isEmpty || dice.next(2) == 0
                ? "" : "  portLevelMtls: {\(8080 + dice.next(2)): {mode: \(dice.one(of: modes))}}"
            return """
                apiVersion: security.istio.io/v1
                kind: PeerAuthentication
                \(metadata(space, name, created: dice.one(of: ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])))
                spec:
                  mtls: {mode: \(dice.one(of: modes))}
                \(chosen)
                \(ports)
                """
        }
    }

    private static let modes = ["STRICT", "PERMISSIVE", "UNSET"]

    private static func labels(_ dice: inout Dice) -> [String: String] {
        var labels = ["app": dice.one(of: ["x", "y"])]
        if dice.next(2) == 0 { labels["tier"] = dice.one(of: ["one", "two"]) }
        return labels
    }

    private static func selector(_ dice: inout Dice) -> String {
        dice.next(2) == 0 ? "" : "  selector: {matchLabels: {\(flow(labels(&dice)))}}"
    }

    private static func flow(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", ")
    }

    private static func metadata(_ space: String, _ name: String, created: String = "2026-01-01T00:00:00Z") -> String {
        "metadata: {name: \(name), namespace: \(space), creationTimestamp: \"\(created)\"}"
    }

    static func namespace(_ name: String, mode: String?, nonTCP: String? = nil) -> String {
        let label = mode.map { "istio.io/dataplane-mode: \($0)" } ?? ""
        let annotation = nonTCP.map { "warren.dev/capture-non-tcp: \($0)" } ?? ""
        return "apiVersion: v1\nkind: Namespace\nmetadata: {name: \(name), labels: {\(label)}, annotations: {\(annotation)}}\n"
    }

    static func service(_ space: String, _ name: String, selector: [String: String], type: String = "ClusterIP") -> String {
        """
        apiVersion: v1
        kind: Service
        \(metadata(space, name))
        spec:
          type: \(type)
          selector: {\(flow(selector))}
        \(type == "ExternalName" ? "  externalName: a.example.org" : "")
          ports: [{name: http, port: 80, targetPort: 8080}]
        """
    }

    static func entry(
        _ space: String, _ name: String, address: String, labels: [String: String], node: String?, mode: String? = nil
    ) -> String {
        var all = labels
        if let mode { all["istio.io/dataplane-mode"] = mode }
        let annotations = node.map { "warren.dev/node: \($0), warren.dev/network-namespace: \(name)" } ?? ""
        return """
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: \(name), namespace: \(space), labels: {\(flow(all))}, annotations: {\(annotations)}}
            spec: {address: \(address), labels: {app: z, zone: inner}, ports: {http: 9090}}
            """
    }

    private static func serviceEntry(_ space: String, _ name: String, _ dice: inout Dice) -> String {
        let hosts = ["x.example.org", "y.example.org", "a.shop.svc.cluster.local"]
        let chosen = Set([dice.one(of: hosts), dice.one(of: hosts)]).sorted()
        let behind =
            dice.next(2) == 0
            ? "workloadSelector: {labels: {\(flow(labels(&dice)))}}"
            : "endpoints: [{address: 10.9.0.\(dice.next(4)), labels: {app: x}}, {address: 10.9.1.\(dice.next(4))}]"
        return """
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            \(metadata(space, name, created: dice.one(of: ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])))
            spec:
              hosts: [\(chosen.joined(separator: ", "))]
              addresses: [240.0.0.\(dice.next(4))]
              ports: [{name: tcp, number: 443, protocol: TCP}]
              resolution: STATIC
              \(behind)
            """
    }

    /// As the control plane holds them: in the order of their kinds, namespaces and names, each a document of its own.
    static func load(_ texts: [TranslatedName: String]) -> ResourceSet {
        let files = texts.sorted { ($0.key.namespace, $0.key.name) < ($1.key.namespace, $1.key.name) }
            .map { (name: "\($0.key.kind)-\($0.key.namespace)-\($0.key.name)", text: Array($0.value.utf8)) }
        let (set, findings) = loadResources(files: files, purpose: .translate)
        // Resources may quarrel with each other, but each is right by itself.
        #expect(set.count == texts.count, "\(findings)")
        return set
    }
}
