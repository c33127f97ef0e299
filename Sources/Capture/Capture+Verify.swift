// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel

/// Is everything still as it was set up? Asked every other second, so cheap while nothing changed: no child is started then.
extension Capture {
    func deviations(
        _ namespace: borrowing NetworkNamespace, _ record: CaptureRecord, _ options: Options
    ) throws(CaptureFailure) -> [Deviation] {
        var found: [Deviation] = []
        try entered(namespace) { () throws(CaptureFailure) in
            for setting in KernelSetting.needed where record.settings[setting.name] != nil {
                if let value = try setting.current(), value != setting.value {
                    found.append(.settingChanged(name: setting.dotted, value: value))
                }
            }
        }
        found += try routingDeviations(namespace)
        if let table = try tableDeviation(namespace, record, options) { found.append(table) }
        return found
    }

    private func tableDeviation(
        _ namespace: borrowing NetworkNamespace, _ record: CaptureRecord, _ options: Options
    ) throws(CaptureFailure) -> Deviation? {
        guard record.options == options.fingerprint else { return .tableChanged }
        let generation = try generation(namespace)
        if generation == record.generation { return nil }
        let listing = try list(namespace)
        if listing.isEmpty { return .tableMissing }
        if listing != record.listing { return .tableChanged }
        // Somebody changed a table of their own; from here on that is the state to compare with.
        var seen = record
        seen.generation = generation
        try seen.write(in: stateDirectory)
        return nil
    }

    func generation(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> UInt32 {
        try inside(namespace) { () throws(Errno) in
            var filter = try Netlink(.filter)
            return try filter.rulesGeneration()
        }
    }

    private func routingDeviations(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> [Deviation] {
        try inside(namespace) { () throws(Errno) in
            var found: [Deviation] = []
            var route = try Netlink(.route)
            for wanted in CaptureRouting.routes where try !route.contains(wanted) && Self.isPossible(wanted) {
                found.append(.routeMissing(table: wanted.table))
            }
            var rules: Set<RoutingRule> = []
            for family in CaptureRouting.families { rules.formUnion(try route.rules(family)) }
            for wanted in CaptureRouting.ground + CaptureRouting.catching where !rules.contains(wanted) {
                found.append(.policyRuleMissing(priority: wanted.priority))
            }
            return found
        }
    }

    /// IPv6 may be switched off in the namespace where the thread stands.
    private static func isPossible(_ route: LocalRoute) -> Bool {
        guard route.family == .v6 else { return true }
        let value = try? File.read("/proc/sys/net/ipv6/conf/lo/disable_ipv6", limit: 16)
        return value?.first == UInt8(ascii: "0")
    }
}

extension Capture.Options {
    /// What a record keeps of the options.
    var fingerprint: String { "\(ports.outbound) \(ports.inbound) \(ports.tunnel) \(otherProtocols.rawValue)" }
}
