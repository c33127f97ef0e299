// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Kernel

/// Sets up, checks and takes away the capture of one network namespace. Each verb may be repeated, and repairs what a crash in its middle left.
///
/// Blocking (some tens of milliseconds, most of it the child that loads the rules): for the worker thread or a program without a loop. Holds
/// nothing but names; what it knows of a namespace lies in `CaptureRecord`.
package struct Capture: Sendable {
    package struct Options: Equatable, Sendable {
        package var ports = CapturePorts()
        package var otherProtocols = CaptureRules.OtherProtocols.allow

        package init() {}
    }

    package let stateDirectory: String
    let child: RulesChild

    /// - Parameters:
    ///   - stateDirectory: for the records; on tmpfs, since a namespace doesn't outlive the kernel either.
    ///   - program: what is started to load rules; ourselves, unless a test says otherwise.
    package init(stateDirectory: String = "/run/warren/capture", program: String = "/proc/self/exe") {
        self.stateDirectory = stateDirectory
        child = RulesChild(program: program)
    }

    /// Captures the namespace. Our listeners must stand already (I02). Open connections stay as they are; from the return on every new one is ours.
    /// - Parameter name: the namespace's name, for the record.
    package func install(_ namespace: borrowing NetworkNamespace, name: String, _ options: Options) throws(CaptureFailure) {
        var record = try CaptureRecord.read(namespace.identity, in: stateDirectory)
        if let record, record.phase == .captured, try deviations(namespace, record, options).isEmpty { return }
        var fresh = record ?? CaptureRecord(namespace: namespace.identity, name: name)
        fresh.name = name
        fresh.phase = .captured
        record = fresh
        try put(namespace, &fresh, options)
    }

    /// Lets new connections go where they want. What is captured stays so until `finishRelease`.
    package func beginRelease(_ namespace: borrowing NetworkNamespace, _ options: Options) throws(CaptureFailure) {
        guard var record = try CaptureRecord.read(namespace.identity, in: stateDirectory), record.phase == .captured else {
            return
        }
        let intact = try deviations(namespace, record, options).isEmpty
        record.phase = .draining
        guard intact else { return try put(namespace, &record, options) }
        try record.write(in: stateDirectory)
        try apply(rules(.draining, options).chainsText, to: namespace)
        try note(namespace, &record, options)
    }

    /// Takes everything away and puts the settings back. Call it when no captured connection is left, or is to be.
    package func finishRelease(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) {
        let record = try CaptureRecord.read(namespace.identity, in: stateDirectory)
        _ = try remove(namespace, record)
        try record?.remove(in: stateDirectory)
    }

    /// What differs from what was set up. Empty is good.
    package func verify(_ namespace: borrowing NetworkNamespace, _ options: Options) throws(CaptureFailure) -> [Deviation] {
        guard let record = try CaptureRecord.read(namespace.identity, in: stateDirectory) else { return [.recordMissing] }
        return try deviations(namespace, record, options)
    }

    /// Sets up again what `verify` found missing, in the phase in which the namespace is.
    package func restore(_ namespace: borrowing NetworkNamespace, name: String, _ options: Options) throws(CaptureFailure) {
        guard var record = try CaptureRecord.read(namespace.identity, in: stateDirectory) else {
            return try install(namespace, name: name, options)
        }
        try put(namespace, &record, options)
    }

    /// Tells when something in the namespace changed, so that `verify` is worth its while.
    package func watch(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> NetlinkWatch {
        try inside(namespace) { () throws(Errno) in try NetlinkWatch() }
    }
}

// MARK: - Order

extension Capture {
    /// Settings, routes and rules that match nothing yet; the table, which takes what comes in and notes what goes out; the connections that are open;
    /// the policy rules that capture; and last the table's final chains. A crash anywhere leaves something that the next try or a release
    /// completes, and nothing that cuts or leaks.
    func put(_ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord, _ options: Options) throws(CaptureFailure) {
        try settle(namespace, &record)
        try routing(namespace) { route throws(CaptureFailure) in
            try route.ensure(CaptureRouting.routes)
            try route.ensure(CaptureRouting.ground)
        }
        try apply(rules(.preparing, options).text, to: namespace)
        // Connection tracking's settings exist only once rules use it.
        try settle(namespace, &record)
        let elements = CaptureRules.elementsText(try openConnections(namespace))
        if !elements.isEmpty { try apply(elements, to: namespace) }
        try routing(namespace) { route throws(CaptureFailure) in try route.ensure(CaptureRouting.catching) }
        try apply(rules(record.phase == .captured ? .captured : .draining, options).chainsText, to: namespace)
        try note(namespace, &record, options)
    }

    /// The reverse. True for each kind of thing that was there.
    func remove(_ namespace: borrowing NetworkNamespace, _ record: CaptureRecord?) throws(CaptureFailure) -> Traces {
        var traces = Traces()
        try routing(namespace) { route throws(CaptureFailure) in
            traces.policyRules = try route.withdraw(CaptureRouting.catching)
        }
        traces.table = try !list(namespace).isEmpty
        if traces.table { try apply(CaptureRules.absentText, to: namespace) }
        try routing(namespace) { route throws(CaptureFailure) in
            let rules = try route.withdraw(CaptureRouting.ground)
            traces.policyRules = traces.policyRules || rules
            traces.routes = try route.withdraw(CaptureRouting.routes)
        }
        if let record { traces.settings = try putBack(namespace, record) }
        return traces
    }

    /// What was found and removed.
    struct Traces: Equatable {
        var table = false
        var policyRules = false
        var routes = false
        var settings = false
    }
}

// MARK: - Parts

extension Capture {
    private func rules(_ phase: CaptureRules.Phase, _ options: Options) -> CaptureRules {
        CaptureRules(phase: phase, ports: options.ports, otherProtocols: options.otherProtocols)
    }

    private func apply(_ text: String, to namespace: borrowing NetworkNamespace) throws(CaptureFailure) {
        _ = try child.run(.apply(text), in: namespace)
    }

    private func list(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> String {
        try child.run(.list(table: CaptureRules.table), in: namespace)
    }

    /// Remembers the rules as the kernel lists them.
    private func note(
        _ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord, _ options: Options
    ) throws(CaptureFailure) {
        record.options = Self.fingerprint(options)
        // The generation first: a change in between makes it older than the listing, and the next look lists again.
        record.generation = try generation(namespace)
        record.listing = try list(namespace)
        try record.write(in: stateDirectory)
    }

    /// Records what each setting was, unless that is known, and sets it.
    private func settle(_ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord) throws(CaptureFailure) {
        var known = record
        try entered(namespace) { () throws(CaptureFailure) in
            for setting in KernelSetting.needed where known.settings[setting.name] == nil {
                known.settings[setting.name] = try setting.current()
            }
        }
        try routing(namespace) { route throws(CaptureFailure) in
            if try !route.loopbackState() { known.loopbackWasUp = false }
        }
        record = known
        try record.write(in: stateDirectory)
        try entered(namespace) { () throws(CaptureFailure) in
            for setting in KernelSetting.needed where known.settings[setting.name] != nil { try setting.set(setting.value) }
        }
        try routing(namespace) { route throws(CaptureFailure) in
            try route.ensureLoopback(up: true)
        }
    }

    private func putBack(_ namespace: borrowing NetworkNamespace, _ record: CaptureRecord) throws(CaptureFailure) -> Bool {
        try entered(namespace) { () throws(CaptureFailure) in
            for setting in KernelSetting.needed {
                if let value = record.settings[setting.name] { try setting.set(value) }
            }
        }
        if !record.loopbackWasUp {
            try routing(namespace) { route throws(CaptureFailure) in try route.ensureLoopback(up: false) }
        }
        return !record.settings.isEmpty
    }

    /// Connections that aren't ours: seen twice, so not just beginning or ending, without our mark, and without their other end in this namespace. What
    /// we captured has its other end here, in our socket, and so has what the workload says to itself.
    private func openConnections(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> [ConnectionTuple] {
        let (first, second) = (try connections(namespace), try connections(namespace))
        return OpenConnections.foreign(first: first, second: second)
    }

    private func connections(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> [SocketEntry] {
        try inside(namespace) { () throws(Errno) in
            var diagnosis = try Netlink(.sockets)
            return try diagnosis.connections()
        }
    }

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
        guard record.options == Self.fingerprint(options) else { return .tableChanged }
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

    private func generation(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> UInt32 {
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

    private static func fingerprint(_ options: Options) -> String {
        "\(options.ports.outbound) \(options.ports.inbound) \(options.ports.tunnel) \(options.otherProtocols.rawValue)"
    }
}
