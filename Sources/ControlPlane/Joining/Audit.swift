// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Kernel
internal import Synchronization
package import Telemetry
package import Transport

/// One line for each change, each certificate and each refusal: who, what, from where; the log says when. Refusals are bounded, for each desk and
/// each asker: who may do nothing could fill the disk otherwise. Cheap to copy; any thread.
package struct Audit: Sendable {
    /// Who refuses, each with an account of its own for every asker: one kind of refusals doesn't hide another.
    package enum Desk: String, Hashable, Sendable, CaseIterable {
        case administration
        case authentication
        case authority
        case backup
        case certificates
        case discovery
        case joining
        case reports
        case resources

        /// Of one asker in a minute. Objects are written by the hundred, and each one that isn't is worth a line.
        fileprivate var lines: Int { self == .resources ? 100 : 20 }
    }

    private final class Quotas: Sendable {
        let byDesk = Mutex<[Desk: AuditQuota]>([:])
    }

    private let log: Log
    private let quotas = Quotas()

    package init(_ log: Log) { self.log = log.scoped(.admin) }

    /// For tests.
    package static let silent = Audit(.silent)

    /// Something was done.
    package func done(_ action: String, _ object: String, by who: String, from place: String, _ detail: String = "") {
        log.info("audit: \(action)", Self.fields(object, who, place, detail))
    }

    /// Something was asked for and refused. The reason may say what the asker isn't told.
    /// - Parameter asker: whose lines are counted, nothing that an asker could choose anew each time; nil: `who`.
    package func refused(
        at desk: Desk, _ action: String, _ object: String, by who: String, asker: String? = nil, from place: String,
        _ reason: String, now: Instant = .now()
    ) {
        let taken = quotas.byDesk.withLock { $0[desk, default: AuditQuota(lines: desk.lines)].take(asker ?? who, now: now) }
        guard let dropped = taken else { return }
        log.warn("audit: refused \(action)", Self.fields(object, who, place, reason + AuditQuota.words(dropped)))
    }

    /// Tells how many lines were left out of those who didn't come back since. To be called now and then.
    package func tellDropped(now: Instant = .now()) {
        for desk in Desk.allCases {
            for left in quotas.byDesk.withLock({ $0[desk]?.takeDropped(now: now) ?? [] }) {
                let words = "\(left.dropped) refusals that were too many for a minute weren't written"
                log.warn("audit: left out", Self.fields(desk.rawValue, left.asker ?? "several", "", words))
            }
        }
    }

    private static func fields(_ object: String, _ who: String, _ place: String, _ detail: String) -> [LogField] {
        var fields = [LogField("by", who), LogField("object", object)]
        if !place.isEmpty { fields.append(LogField("from", place)) }
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

    /// Who it is as long as it doesn't say: its network, for one port isn't another peer, or its user.
    package var origin: String {
        if let address { return AttemptLimiter.key(address.ip).description }
        return process.map { "uid \($0.user)" } ?? "unknown"
    }
}
