// SPDX-License-Identifier: Apache-2.0

import Documents
import Support

/// A line of budgets.json: what a metric may be, and why.
struct Budget {
    let metric: String
    let limit: Double
    let reason: String
    /// The compiler with which it was measured, `6.3`; another may do better or worse.
    let compiler: String
}

/// The budgets for the compiler at hand, and how measures compare with them.
struct Book {
    /// What a measure may be above its limit: machines differ in how they batch, and tables grow now and then.
    static let slack = 0.1
    static let grain = 0.02

    private(set) var budgets: [String: Budget] = [:]

    /// Of several lines for a metric the one of the newest compiler counts that isn't newer than ours.
    init(json: String, compiler: String) throws {
        let rows = try JSON.read(json).sequenceValue ?? []
        for row in rows {
            guard let metric = row["metric"]?.stringValue, let limit = row["limit"]?.numberValue,
                let reason = row["reason"]?.stringValue, let version = row["compiler"]?.stringValue
            else { throw LabFailure(description: "budgets.json: a row without metric, limit, reason or compiler: \(row)") }
            guard Self.order(version) <= Self.order(compiler) else { continue }
            if let other = budgets[metric], Self.order(other.compiler) > Self.order(version) { continue }
            budgets[metric] = Budget(metric: metric, limit: limit, reason: reason, compiler: version)
        }
    }

    enum Verdict {
        case kept(Budget)
        /// It has become much better than its limit, which should follow.
        case loose(Budget)
        case broken(String)
        case notMeasured(String)
    }

    func judge(_ measure: Measure) -> Verdict {
        guard let budget = budgets[measure.metric] else {
            return .broken("no budget for \(measure.metric): add a row with its reason to Tests/Budgets/budgets.json")
        }
        guard let value = measure.value else { return .notMeasured("this kernel doesn't let us count system calls") }
        guard value <= budget.limit * (1 + Self.slack) + Self.grain else {
            return .broken("\(Self.text(value)), the limit is \(Self.text(budget.limit)): \(budget.reason)")
        }
        return value < budget.limit * 0.75 - Self.grain ? .loose(budget) : .kept(budget)
    }

    /// `6.3` as a number that can be compared.
    private static func order(_ version: String) -> Int {
        let parts = version.split(separator: ".").map { Int($0) ?? 0 }
        return (parts.first ?? 0) * 1000 + (parts.dropFirst().first ?? 0)
    }

    /// Two digits behind the point.
    static func text(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let (whole, rest) = (abs(hundredths) / 100, abs(hundredths) % 100)
        let sign = hundredths < 0 ? "-" : ""
        return rest == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}
