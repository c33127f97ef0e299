// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents

/// What Kubernetes fills in of a service, and what must not change of one. Addresses that the server gives out are the caller's: it knows
/// which are free.
enum ServiceRules {
    @Sendable static func complete(_ object: Value) -> Value {
        guard let spec = object["spec"], spec.mappingValue != nil else { return object }
        var changed = spec
        if let ports = spec["ports"]?.sequenceValue { changed = changed.setting("ports", .array(ports.map(withTarget))) }
        changed = withAddresses(changed)
        var object = object.setting("spec", changed)
        if object.at("status", "loadBalancer") == nil { object = object.setting(["status", "loadBalancer"], .object([])) }
        return object
    }

    private static func withTarget(_ port: Value) -> Value {
        guard port.mappingValue != nil, port.at("targetPort") == nil, let number = port["port"] else { return port }
        return port.setting("targetPort", number)
    }

    /// `clusterIP` and `clusterIPs` say the same; a written address says its family.
    private static func withAddresses(_ spec: Value) -> Value {
        guard spec["type"] != "ExternalName" else { return spec.setting("internalTrafficPolicy", nil) }
        var spec = spec
        let several = spec["clusterIPs"]?.strings ?? []
        let single = spec["clusterIP"]?.stringValue ?? ""
        if several.isEmpty, !single.isEmpty {
            spec = spec.setting("clusterIPs", [.string(single)])
        } else if let first = several.first, single.isEmpty {
            spec = spec.setting("clusterIP", .string(first))
        }
        let families = (spec["clusterIPs"]?.strings ?? []).compactMap { text in
            IPAddress(text).map { Value.string($0.family == .v4 ? "IPv4" : "IPv6") }
        }
        if !families.isEmpty, spec.at("ipFamilies") == nil { spec = spec.setting("ipFamilies", .array(families)) }
        if spec.at("ipFamilyPolicy") == nil, let known = spec["ipFamilies"]?.sequenceValue {
            spec = spec.setting("ipFamilyPolicy", .string(known.count > 1 ? "RequireDualStack" : "SingleStack"))
        }
        return spec
    }

    @Sendable static func check(_ object: Value, _ old: Value?) -> [FieldError] {
        let spec = object["spec"] ?? .null
        var errors = checkPorts(spec)
        errors += checkAddresses(spec)
        if let old { errors += checkChange(spec, old["spec"] ?? .null) }
        return errors
    }

    private static func checkPorts(_ spec: Value) -> [FieldError] {
        let ports = spec["ports"]?.sequenceValue ?? []
        var errors: [FieldError] = []
        let isHeadless = spec["clusterIP"] == "None" || spec["type"] == "ExternalName"
        if ports.isEmpty, !isHeadless { errors.append(FieldError(.required, "spec.ports", "")) }
        var names: Set<String> = []
        var numbers: Set<String> = []
        for (index, port) in ports.enumerated() {
            let name = port["name"]?.stringValue ?? ""
            let place = "spec.ports[\(index)]"
            if name.isEmpty {
                if ports.count > 1 { errors.append(FieldError(.required, "\(place).name", "")) }
            } else if !NameSyntax.isLabel(name) {
                errors.append(FieldError(.invalid, "\(place).name", value: Value.string(name).json, NameSyntax.labelRule))
            } else if !names.insert(name).inserted {
                errors.append(FieldError(.duplicate, "\(place).name", value: Value.string(name).json, ""))
            }
            guard let number = port["port"]?.integerValue else { continue }
            let key = "\(number)/\(port["protocol"]?.stringValue ?? "TCP")"
            if !numbers.insert(key).inserted {
                let shown = Value.object([("port", .integer(number)), ("protocol", port["protocol"] ?? "TCP")]).json
                errors.append(FieldError(.duplicate, place, value: shown, ""))
            }
        }
        return errors
    }

    private static func checkAddresses(_ spec: Value) -> [FieldError] {
        let several = spec["clusterIPs"]?.strings ?? []
        var errors: [FieldError] = []
        if several.count > 2 {
            errors.append(FieldError(.tooMany, "spec.clusterIPs", value: "\(several.count)", "must have at most 2 items"))
        }
        let families = several.compactMap { IPAddress($0)?.family }
        if families.count == 2, families[0] == families[1] {
            errors.append(
                FieldError(
                    .invalid, "spec.clusterIPs", value: Value.array(several.map { .string($0) }).json,
                    "may specify no more than one IP for each IP family"))
        }
        if several.count > 1, several.contains("None") {
            errors.append(FieldError(.invalid, "spec.clusterIPs[0]", value: "\"None\"", "'None' must stand alone"))
        }
        for (index, text) in several.enumerated() {
            guard let address = IPAddress(text) else { continue }
            if address.isUnspecified || address.isLoopback || address.isMulticast || address.isLinkLocal {
                errors.append(
                    FieldError(
                        .invalid, "spec.clusterIPs[\(index)]", value: Value.string(text).json,
                        "may not be in the unspecified, loopback, link-local or multicast range"))
            }
        }
        return errors
    }

    /// Clients remember addresses: a service keeps its own while its type asks for one.
    private static func checkChange(_ spec: Value, _ old: Value) -> [FieldError] {
        guard spec["type"] != "ExternalName", old["type"] != "ExternalName", let was = old["clusterIP"]?.stringValue, !was.isEmpty
        else { return [] }
        var errors: [FieldError] = []
        let isNow = spec["clusterIP"]?.stringValue ?? ""
        if isNow != was {
            errors.append(FieldError(.invalid, "spec.clusterIP", value: Value.string(isNow).json, "field is immutable"))
        }
        let (before, after) = (old["clusterIPs"]?.strings ?? [], spec["clusterIPs"]?.strings ?? [])
        if errors.isEmpty, let first = before.first, after.first != first {
            errors.append(
                FieldError(
                    .invalid, "spec.clusterIPs[0]", value: Value.array(after.map { .string($0) }).json, "may not change once set")
            )
        }
        return errors
    }

    /// What an update that says nothing of addresses keeps of the old object, as Kubernetes does.
    @Sendable static func keepingAddresses(_ object: Value, of old: Value) -> Value {
        guard let spec = object["spec"], let was = old["spec"] else { return object }
        let single = spec["clusterIP"]?.stringValue ?? ""
        let several = spec["clusterIPs"]?.strings ?? []
        let before = was["clusterIPs"]?.strings ?? []
        var changed = spec
        if spec["type"] == "ExternalName" {
            // Its addresses go back to the server.
            guard several == before else { return object }
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] { changed = changed.setting(key, nil) }
            return object.setting("spec", changed)
        }
        guard single.isEmpty, several.isEmpty || several == before else { return object }
        for key in ["clusterIP", "clusterIPs"] { if let value = was.at(key) { changed = changed.setting(key, value) } }
        for key in ["ipFamilies", "ipFamilyPolicy"] where spec.at(key) == nil {
            if let value = was.at(key) { changed = changed.setting(key, value) }
        }
        return object.setting("spec", changed)
    }
}
