// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import CLinux
import Glibc

/// One rule of policy routing: which packets look where for their route. The kernel asks rules in the order of their priority.
package struct RoutingRule: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case lookUp(table: UInt32)
        /// Goes on at the rule of that priority.
        case goTo(priority: UInt32)
        case unreachable
        /// Does nothing: a place to go to.
        case pass
    }

    package struct MarkMatch: Hashable, Sendable {
        package let value: UInt32
        package let mask: UInt32

        package init(value: UInt32, mask: UInt32) {
            self.value = value
            self.mask = mask
        }
    }

    package let family: IPAddress.Family
    package let priority: UInt32
    package let mark: MarkMatch?
    package let source: IPPrefix?
    /// IPPROTO_TCP and the like; nil for all.
    package let transport: UInt8?
    package let action: Action

    package init(
        family: IPAddress.Family, priority: UInt32, mark: MarkMatch? = nil, source: IPPrefix? = nil, transport: UInt8? = nil,
        action: Action
    ) {
        self.family = family
        self.priority = priority
        self.mark = mark
        self.source = source
        self.transport = transport
        self.action = action
    }
}

extension Netlink {
    /// Adds a rule; `exists` if it is there already.
    package mutating func add(_ rule: RoutingRule) throws(Errno) {
        try change(rule.addition)
    }

    /// Removes a rule; `noSuchFile` if it isn't there.
    package mutating func remove(_ rule: RoutingRule) throws(Errno) {
        try change(rule.request(RTM_DELRULE, flags: Int(NLM_F_ACK)))
    }

    /// The rules of a family in their order. What a rule matches beyond what `RoutingRule` knows is left out.
    package mutating func rules(_ family: IPAddress.Family) throws(Errno) -> [RoutingRule] {
        let body = [family.number] + [UInt8](repeating: 0, count: 11)
        let messages = try dump(NetlinkRequest(type: RTM_GETRULE, flags: Int(NLM_F_DUMP), body: body))
        return messages.compactMap { RoutingRule($0, family: family) }
    }
}

extension RoutingRule {
    /// What the kernel is asked for it.
    package var addition: NetlinkRequest { request(RTM_NEWRULE, flags: Int(NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)) }

    /// `fib_rule_hdr` (12 bytes) and the attributes of `linux/fib_rules.h`.
    fileprivate func request(_ type: Int, flags: Int) -> NetlinkRequest {
        let body = [family.number, 0, UInt8(source?.length ?? 0), 0, 0, 0, 0, actionNumber, 0, 0, 0, 0]
        var request = NetlinkRequest(type: type, flags: flags, body: body)
        request.attribute(FRA_PRIORITY, priority)
        if let mark {
            request.attribute(FRA_FWMARK, mark.value)
            request.attribute(FRA_FWMASK, mark.mask)
        }
        if let source { request.attribute(FRA_SRC, source.address.bytes) }
        if let transport { request.attribute(FRA_IP_PROTO, [transport]) }
        switch action {
        case .lookUp(let table): request.attribute(FRA_TABLE, table)
        case .goTo(let priority): request.attribute(FRA_GOTO, priority)
        case .unreachable, .pass: break
        }
        return request
    }

    private var actionNumber: UInt8 {
        switch action {
        case .lookUp: UInt8(FR_ACT_TO_TBL)
        case .goTo: UInt8(FR_ACT_GOTO)
        case .unreachable: UInt8(FR_ACT_UNREACHABLE)
        case .pass: UInt8(FR_ACT_NOP)
        }
    }

    /// What a message of RTM_GETRULE tells; nil for another family's rule, and for an action that `Action` doesn't know.
    package init?(_ message: NetlinkMessage, family: IPAddress.Family) {
        let attributes = message.attributes(after: 12)
        let start = message.payload.startIndex
        guard message.type == RTM_NEWRULE, message.payload.count >= 12, message.payload.first == family.number,
            let action = Self.action(message.payload[start + 7], attributes)
        else { return nil }
        self.init(
            family: family, priority: attributes[FRA_PRIORITY]?.number(as: UInt32.self) ?? 0, mark: Self.mark(attributes),
            source: attributes[FRA_SRC].flatMap { IPAddress(bytes: $0) }.flatMap {
                IPPrefix($0, length: Int(message.payload[start + 2]))
            }, transport: attributes[FRA_IP_PROTO]?.number(as: UInt8.self), action: action)
    }

    private static func action(_ number: UInt8, _ attributes: [Int: ArraySlice<UInt8>]) -> Action? {
        switch Int(number) {
        case Int(FR_ACT_TO_TBL): attributes[FRA_TABLE]?.number(as: UInt32.self).map { .lookUp(table: $0) }
        case Int(FR_ACT_GOTO): attributes[FRA_GOTO]?.number(as: UInt32.self).map { .goTo(priority: $0) }
        case Int(FR_ACT_UNREACHABLE): .unreachable
        case Int(FR_ACT_NOP): .pass
        default: nil
        }
    }

    private static func mark(_ attributes: [Int: ArraySlice<UInt8>]) -> MarkMatch? {
        guard let value = attributes[FRA_FWMARK]?.number(as: UInt32.self) else { return nil }
        return MarkMatch(value: value, mask: attributes[FRA_FWMASK]?.number(as: UInt32.self) ?? .max)
    }
}

extension IPAddress.Family {
    var number: UInt8 { self == .v4 ? UInt8(AF_INET) : UInt8(AF_INET6) }
}
