// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Kernel

/// The policy rules and routes of capture, as values. They hold without nftables: this is what keeps captured connections whole and off
/// the wire when somebody empties the rules.
///
///     priority   matches                     does
///     50         mark 0x539                  goes on at 55: the ordinary routes
///     51         mark 0x111                  table 100: to ourselves
///     52   v4    no source address yet       goes on at 55: connect() chooses the source address as it would without us
///     53         TCP                         table 100: to ourselves
///     54         TCP                         unreachable: bound to a device, so that table 100 didn't match
///     55         everything                  nothing: the place to go to
///
/// Rule 0, `lookup local`, comes before all: what is for the namespace's own addresses never gets here. Priorities lie before those that
/// administrators and other software use, since a rule before ours would let traffic out. IPv6 chooses its source address with the
/// route at hand, which rule 53 gives; it keeps that route with the socket, so there rule 52 would lead past us for good.
package struct CaptureRouting: Equatable, Sendable {
    /// The table of the route to ourselves, as in Istio.
    package static let table: UInt32 = 100
    private static let escape: UInt32 = 55
    /// The priority of our last rule.
    package static let last = escape

    /// TCP's number among IP's protocols.
    private static let tcp: UInt8 = 6

    /// A kernel that was started without IPv6 knows neither its rules nor its routes.
    package static let families: [IPAddress.Family] = (try? File.status("/proc/net/if_inet6")) == nil ? [.v4] : [.v4, .v6]

    package static let routes = families.map { LocalRoute(family: $0, table: table) }

    /// What stands before capture begins: what these rules match doesn't exist without our sockets.
    package static func groundRules(_ family: IPAddress.Family) -> [RoutingRule] {
        [
            RoutingRule(family: family, priority: escape, action: .pass),
            RoutingRule(family: family, priority: 50, mark: mark(Mark.outside), action: .goTo(priority: escape)),
            RoutingRule(family: family, priority: 51, mark: mark(Mark.inside), action: .lookUp(table: table)),
        ]
    }

    /// What captures. In the order in which they are added, so that no packet meets a part that harms it; removed in reverse.
    package static func catchingRules(_ family: IPAddress.Family) -> [RoutingRule] {
        let unchosen = IPPrefix(.anyV4)
        let chooses = RoutingRule(family: .v4, priority: 52, source: unchosen, action: .goTo(priority: escape))
        return (family == .v4 ? [chooses] : []) + [
            RoutingRule(family: family, priority: 53, transport: tcp, action: .lookUp(table: table)),
            RoutingRule(family: family, priority: 54, transport: tcp, action: .unreachable),
        ]
    }

    package static let ground = families.flatMap(groundRules)
    package static let catching = families.flatMap(catchingRules)

    private static func mark(_ value: UInt32) -> RoutingRule.MarkMatch { .init(value: value, mask: Mark.mask) }
}

extension Netlink {
    /// Adds what isn't there yet.
    mutating func ensure(_ rules: [RoutingRule]) throws(CaptureFailure) {
        for rule in rules {
            do { try add(rule) } catch {
                guard error == .exists else { throw .routing("policy rule \(rule.priority)", error) }
            }
        }
    }

    /// Removes what is there, the last first, however often it is there. True if anything was.
    @discardableResult
    mutating func withdraw(_ rules: [RoutingRule]) throws(CaptureFailure) -> Bool {
        var any = false
        for rule in rules.reversed() {
            do {
                try remove(rule)
                any = true
            } catch {
                guard error == .noSuchFile else { throw .routing("policy rule \(rule.priority)", error) }
            }
        }
        return any
    }

    /// Whether the loopback device is up.
    mutating func loopbackState() throws(CaptureFailure) -> Bool {
        do { return try isLoopbackUp() } catch { throw .routing("the loopback device", error) }
    }

    mutating func ensureLoopback(up: Bool) throws(CaptureFailure) {
        do { try setLoopback(up: up) } catch { throw .routing("the loopback device", error) }
    }

    /// A namespace in which IPv6 is switched off takes no IPv6 route. Rule 54 then makes all its IPv6 TCP unreachable, should it come back before we
    /// noticed (I05).
    mutating func ensure(_ routes: [LocalRoute]) throws(CaptureFailure) {
        for route in routes {
            do { try add(route) } catch {
                guard error == .exists || route.family == .v6 && error == .accessDenied else {
                    throw .routing("the route of table \(route.table)", error)
                }
            }
        }
    }

    @discardableResult
    mutating func withdraw(_ routes: [LocalRoute]) throws(CaptureFailure) -> Bool {
        var any = false
        for route in routes {
            do {
                try remove(route)
                any = true
            } catch {
                // ESRCH: not there; ENOENT: not even the table.
                guard error == .noSuchProcess || error == .noSuchFile else {
                    throw .routing("the route of table \(route.table)", error)
                }
            }
        }
        return any
    }
}
