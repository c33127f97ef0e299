// SPDX-License-Identifier: Apache-2.0

/// A difference between what capture set up in a namespace and what is there now. Each is counted, and undone by `Capture.restore`.
package enum Deviation: Hashable, Sendable {
    case settingChanged(name: String, value: String)
    case routeMissing(table: UInt32)
    case policyRuleMissing(priority: UInt32)
    /// The table is gone: a foreign `nft flush ruleset`, for example.
    case tableMissing
    case tableChanged
    /// Nothing is known of capture in this namespace.
    case recordMissing
}

extension Deviation: CustomStringConvertible {
    package var description: String {
        switch self {
        case .settingChanged(let name, let value): "\(name) was set to \(value)"
        case .routeMissing(let table): "the route of table \(table) is missing"
        case .policyRuleMissing(let priority): "policy rule \(priority) is missing"
        case .tableMissing: "the nftables table \(CaptureRules.table) is missing"
        case .tableChanged: "the nftables table \(CaptureRules.table) was changed"
        case .recordMissing: "the record of capture is missing"
        }
    }

    /// A short name for a metric's label.
    package var kind: String {
        switch self {
        case .settingChanged: "setting"
        case .routeMissing: "route"
        case .policyRuleMissing: "policy_rule"
        case .tableMissing, .tableChanged: "table"
        case .recordMissing: "record"
        }
    }
}
