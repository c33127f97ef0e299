// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Documents

/// What of a service's addresses is for the server to choose. It alone knows which are free; here is only what an object asks for.
package enum ServiceAddresses {
    /// The addresses that the service has, or asks for itself.
    package static func addresses(of service: Value) -> [IPAddress] {
        (service.at("spec", "clusterIPs")?.strings ?? []).compactMap { IPAddress($0) }
    }

    /// The families in which it still needs an address, in their order.
    /// - Parameter served: those that the server has ranges of, its first choice first.
    /// - Returns: empty if it needs none: it is headless, stands for a name, or has what it wants.
    package static func wanted(_ service: Value, served: [IPAddress.Family]) -> [IPAddress.Family] {
        let spec = service["spec"] ?? .null
        guard spec["type"] != "ExternalName", spec["clusterIP"] != "None" else { return [] }
        let has = Set(addresses(of: service).map(\.family))
        let named = (spec["ipFamilies"]?.strings ?? []).map { $0 == "IPv6" ? IPAddress.Family.v6 : .v4 }
        let isDual = spec["ipFamilyPolicy"] == "PreferDualStack" || spec["ipFamilyPolicy"] == "RequireDualStack"
        var families = named.isEmpty ? Array(served.prefix(1)) : named
        if isDual { families += served.filter { !families.contains($0) } }
        return families.filter { !has.contains($0) && served.contains($0) }
    }

    /// Why it can't have what it asks for; nil if it can.
    package static func refusal(_ service: Value, served: [IPAddress.Family]) -> FieldError? {
        let spec = service["spec"] ?? .null
        guard spec["type"] != "ExternalName", spec["clusterIP"] != "None" else { return nil }
        for (index, text) in (spec["ipFamilies"]?.strings ?? []).enumerated() {
            let family: IPAddress.Family = text == "IPv6" ? .v6 : .v4
            let has = addresses(of: service).contains { $0.family == family }
            guard !has, !served.contains(family) else { continue }
            return FieldError(
                .invalid, "spec.ipFamilies[\(index)]", value: Value.string(text).json,
                "not configured on this control plane: it has no range of service addresses of this family")
        }
        if spec["ipFamilyPolicy"] == "RequireDualStack", served.count < 2, addresses(of: service).count < 2 {
            return FieldError(
                .invalid, "spec.ipFamilyPolicy", value: "\"RequireDualStack\"",
                "this control plane has ranges of service addresses of one family only")
        }
        return nil
    }

    /// The service with addresses added.
    package static func assigning(_ chosen: [IPAddress], to service: Value) -> Value {
        guard !chosen.isEmpty else { return service }
        var texts = service.at("spec", "clusterIPs")?.strings ?? []
        texts += chosen.map(\.description)
        let families = texts.compactMap { IPAddress($0) }.map { Value.string($0.family == .v4 ? "IPv4" : "IPv6") }
        var service = service.setting(["spec", "clusterIP"], texts.first.map { .string($0) })
        service = service.setting(["spec", "clusterIPs"], .array(texts.map { .string($0) }))
        service = service.setting(["spec", "ipFamilies"], .array(families))
        if service.at("spec", "ipFamilyPolicy") == nil {
            service = service.setting(
                ["spec", "ipFamilyPolicy"], .string(families.count > 1 ? "PreferDualStack" : "SingleStack"))
        }
        return service
    }
}
