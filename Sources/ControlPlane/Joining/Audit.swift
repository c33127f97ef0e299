// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Telemetry
package import Transport

/// One line for each change, each certificate and each refusal: who, what, from where; the log says when. Cheap to copy; any thread.
package struct Audit: Sendable {
    private let log: Log

    package init(_ log: Log) { self.log = log.scoped(.admin) }

    /// For tests.
    package static let silent = Audit(.silent)

    /// Something was done.
    package func done(_ action: String, _ object: String, by who: String, from place: String, _ detail: String = "") {
        log.info("audit: \(action)", Self.fields(object, who, place, detail))
    }

    /// Something was asked for and refused. The reason may say what the asker isn't told.
    package func refused(_ action: String, _ object: String, by who: String, from place: String, _ reason: String) {
        log.warn("audit: refused \(action)", Self.fields(object, who, place, reason))
    }

    private static func fields(_ object: String, _ who: String, _ place: String, _ detail: String) -> [LogField] {
        var fields = [LogField("by", who), LogField("object", object), LogField("from", place)]
        if !detail.isEmpty { fields.append(LogField("detail", detail)) }
        return fields
    }
}

extension HTTPPeer {
    /// Where it is, for a line of the log.
    package var place: String {
        if let address { return address.description }
        return process.map { "pid \($0.pid), uid \($0.user)" } ?? "unknown"
    }
}
