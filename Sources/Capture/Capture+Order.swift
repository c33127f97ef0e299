// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// The order of setting up and taking away (I02). A crash anywhere leaves something that the next try or a release completes, and nothing
/// that cuts or leaks.
extension Capture {
    /// Settings, routes and rules that match nothing yet; then the table and what captures, in the record's phase.
    func put(_ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord, _ options: Options) throws(CaptureFailure) {
        try settle(namespace, &record)
        let isCatching = try isCatching(namespace)
        try routing(namespace) { route throws(CaptureFailure) in
            try route.ensure(CaptureRouting.routes)
            try route.ensure(CaptureRouting.ground)
        }
        if record.phase == .captured && !isCatching {
            try begin(namespace, &record, options)
        } else {
            try replace(namespace, record.phase == .captured ? .captured : .draining, options, isCatching: isCatching)
        }
        try note(namespace, &record, options)
    }

    /// What is captured must find its way, and what isn't its own, at every moment: old connections come with the table, and a table that is ours
    /// stays while its rules change.
    private func replace(
        _ namespace: borrowing NetworkNamespace, _ phase: CaptureRules.Phase, _ options: Options, isCatching: Bool
    ) throws(CaptureFailure) {
        let open = CaptureRules.elementsText(try openConnections(namespace, includingBeginning: !isCatching))
        let rules = rules(phase, options)
        let listing = try list(namespace)
        if CaptureRules.isOurs(listing) {
            try apply([open] + rules.updates, to: namespace)
        } else {
            // A table that is there in some other form keeps old connections free until the new one takes its place.
            try apply([listing.isEmpty ? rules.groundText : "", rules.text + open], to: namespace)
        }
        try routing(namespace) { route throws(CaptureFailure) in try route.ensure(CaptureRouting.catching) }
    }

    /// From nothing to captured: the table first, which takes what comes in and notes what goes out; then the connections that are open; then
    /// the policy rules that capture; and last the table's final chains.
    private func begin(
        _ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord, _ options: Options
    ) throws(CaptureFailure) {
        try apply([rules(.preparing, options).text], to: namespace)
        // Connection tracking's settings exist only once rules use it.
        try settle(namespace, &record)
        try apply([CaptureRules.elementsText(try openConnections(namespace, includingBeginning: true))], to: namespace)
        try routing(namespace) { route throws(CaptureFailure) in try route.ensure(CaptureRouting.catching) }
        try apply(rules(.captured, options).updates, to: namespace)
    }

    /// Whether policy rules that capture stand already.
    func isCatching(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> Bool {
        try inside(namespace) { () throws(Errno) in
            var route = try Netlink(.route)
            for family in CaptureRouting.families {
                let rules = try route.rules(family)
                if CaptureRouting.catchingRules(family).contains(where: rules.contains) { return true }
            }
            return false
        }
    }

    /// The reverse. Says what was there.
    func remove(_ namespace: borrowing NetworkNamespace, _ record: CaptureRecord?) throws(CaptureFailure) -> Traces {
        var traces = Traces()
        try routing(namespace) { route throws(CaptureFailure) in
            traces.policyRules = try route.withdraw(CaptureRouting.catching)
        }
        traces.table = try !list(namespace).isEmpty
        if traces.table { try apply([CaptureRules.absentText], to: namespace) }
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

    func rules(_ phase: CaptureRules.Phase, _ options: Options) -> CaptureRules {
        CaptureRules(phase: phase, ports: options.ports, otherProtocols: options.otherProtocols)
    }

    /// Runs transactions one after the other, up to one that fails; those without text are left out.
    func apply(_ texts: [String], to namespace: borrowing NetworkNamespace) throws(CaptureFailure) {
        for text in texts where !text.isEmpty { _ = try child.run(.apply(text), in: namespace) }
    }

    func list(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) -> String {
        try child.run(.list(table: CaptureRules.table), in: namespace)
    }

    /// Remembers the rules as the kernel lists them.
    func note(_ namespace: borrowing NetworkNamespace, _ record: inout CaptureRecord, _ options: Options) throws(CaptureFailure) {
        record.options = options.fingerprint
        // The generation first: a change in between makes it older than the listing, and the next look lists again.
        record.generation = try generation(namespace)
        record.listing = try list(namespace)
        try record.write(in: stateDirectory)
    }
}
