// SPDX-License-Identifier: Apache-2.0

package import Documents

/// What a DELETE says, in its query and in its body.
package struct DeleteOptions: Hashable, Sendable {
    /// Only if the object is this very one.
    package var uid: String?
    /// Only if the object hasn't changed since.
    package var resourceVersion: String?
    package var isDryRun = false
    package var propagation: RequestOptions.Propagation?
    package var gracePeriodSeconds: Int?

    /// - Parameter body: nil if there was none.
    package init(_ options: RequestOptions, body: Value?) throws(APIStatus) {
        isDryRun = options.isDryRun
        propagation = options.propagation
        gracePeriodSeconds = options.gracePeriodSeconds
        guard let body, !body.isNull else { return }
        guard body.mappingValue != nil else { throw APIStatus(.badRequest, "the body is \(body.kindName), not DeleteOptions") }
        if let kind = body.at("kind")?.stringValue, kind != "DeleteOptions" {
            throw APIStatus(.badRequest, "the body of a DELETE is DeleteOptions, this is \(kind.prefix(64))")
        }
        try read(body)
    }

    private mutating func read(_ body: Value) throws(APIStatus) {
        if let preconditions = body.at("preconditions") {
            uid = try Self.text(preconditions, "uid")
            resourceVersion = try Self.text(preconditions, "resourceVersion")
        }
        if let list = body.at("dryRun") {
            guard let values = list.sequenceValue, values.allSatisfy({ $0.stringValue != nil }) else {
                throw APIStatus(.badRequest, "dryRun is a list of strings")
            }
            isDryRun = try RequestOptions.dryRun(list.strings) || isDryRun
        }
        if let text = try Self.text(body, "propagationPolicy") {
            guard let policy = RequestOptions.Propagation(rawValue: text) else {
                throw APIStatus(.badRequest, "propagationPolicy is Orphan, Background or Foreground")
            }
            propagation = policy
        } else if body.at("orphanDependents")?.boolValue == true {
            propagation = .orphan
        }
        if let value = body.at("gracePeriodSeconds") {
            guard let number = value.integerValue.flatMap({ Int(exactly: $0) }), number >= 0 else {
                throw APIStatus(.badRequest, "gracePeriodSeconds is a number, and not negative")
            }
            gracePeriodSeconds = number
        }
    }

    private static func text(_ value: Value, _ key: String) throws(APIStatus) -> String? {
        guard let inner = value.at(key) else { return nil }
        guard let text = inner.stringValue else { throw APIStatus(.badRequest, "\(key) is \(inner.kindName), not a string") }
        return text
    }
}
