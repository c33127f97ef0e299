// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Kernel

/// What `warren check` asks of a workload's namespace, and of this kernel: things that make capture fail, or work only in part.
package struct NamespaceSurvey: Equatable, Sendable {
    /// Addresses to which the namespace has no route of its own: connect() there ends with "network unreachable" before any rule is asked (I05).
    package var unreachable: [IPAddress] = []
    /// Other tables with NAT in the namespace: they may send our own connections elsewhere.
    package var foreignNAT: [String] = []
    /// Policy rules of others that come before ours: what they match isn't captured.
    package var earlierRules: [UInt32] = []
}

extension Capture {
    /// Looks at a namespace.
    /// - Parameter destinations: one address of each range that services have.
    package func survey(
        _ namespace: borrowing NetworkNamespace, destinations: [IPAddress]
    ) throws(CaptureFailure) -> NamespaceSurvey {
        var survey = try inside(namespace) { () throws(Errno) in
            var survey = NamespaceSurvey()
            var route = try Netlink(.route)
            // With our mark, since our policy rules lead everywhere.
            for address in destinations where try !route.hasRoute(to: address, mark: Mark.outside) {
                survey.unreachable.append(address)
            }
            let ours = Set(CaptureRouting.ground + CaptureRouting.catching)
            var others: [RoutingRule] = []
            for family in CaptureRouting.families { others += try route.rules(family).filter { !ours.contains($0) } }
            survey.earlierRules = Set(others.map(\.priority).filter { $0 > 0 && $0 <= CaptureRouting.last }).sorted()
            return survey
        }
        survey.foreignNAT = Self.tablesWithNAT(try child.run(.listAll, in: namespace)).filter { $0 != CaptureRules.table }
        return survey
    }

    /// Whether this kernel takes our rules: they are checked in the namespace where the thread stands, and nothing is changed.
    package func checkKernel() throws(CaptureFailure) {
        let here: NetworkNamespace
        do throws(Errno) { here = try NetworkNamespace.current() } catch { throw .namespace(error) }
        _ = try child.run(.check(CaptureRules(phase: .captured, otherProtocols: .drop).text), in: here)
    }

    /// The tables of a listing that have a NAT chain.
    static func tablesWithNAT(_ listing: String) -> [String] {
        var found: [String] = []
        var table = ""
        for line in listing.split(separator: "\n") {
            if line.hasPrefix("table "), line.hasSuffix(" {") { table = String(line.dropFirst(6).dropLast(2)) }
            if line.contains("type nat hook"), found.last != table { found.append(table) }
        }
        return found
    }
}

extension NamespaceSurvey {
    /// The command that gives the namespace a route to an address it can't reach, for the operator to complete.
    package static func remedy(_ address: IPAddress, namespace name: String) -> String {
        "ip -n \(name) \(address.family == .v6 ? "-6 " : "")route add default via GATEWAY"
    }
}
