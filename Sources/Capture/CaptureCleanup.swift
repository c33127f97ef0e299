// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel

/// What a cleanup did: sentences for people.
package struct CleanupReport: Equatable, Sendable {
    package var removed: [String] = []
    package var failures: [String] = []

    package init() {}
}

extension Capture {
    /// Removes what capture left in any namespace of this host, with or without a daemon, and says what it was. Blocking.
    ///
    /// Namespaces are found by the records, below `/run/netns`, and at processes, for a name may be gone while the namespace lives. A
    /// table of ours without a record is removed too; what its settings were before nobody knows then.
    /// - Parameter kept: names below `/run/netns` whose capture is wanted and stays.
    package func cleanup(
        exceptNamed kept: Set<String> = [], names directory: String = "/run/netns", processes: String = "/proc"
    ) -> CleanupReport {
        var report = CleanupReport()
        let records = CaptureRecord.all(in: stateDirectory)
        let recorded = Set(records.map(\.namespace))
        var seen: Set<NamespaceIdentity> = []
        for path in Self.paths(names: directory, processes: processes, wanted: recorded) {
            guard let namespace = try? NetworkNamespace(path: path.path, followLink: path.isLink),
                seen.insert(namespace.identity).inserted
            else { continue }
            if kept.contains(path.name) { continue }
            let record = records.first { $0.namespace == namespace.identity }
            clean(namespace, record, at: path.name, &report)
        }
        for record in records where !seen.contains(record.namespace) { forget(record, &report) }
        return report
    }

    private func clean(
        _ namespace: borrowing NetworkNamespace, _ record: CaptureRecord?, at name: String, _ report: inout CleanupReport
    ) {
        do {
            // Only where something of ours is: nobody's connections are touched elsewhere.
            let isCatching = try isCatching(namespace)
            if record != nil || isCatching { try endCaptured(namespace) }
            let traces = try remove(namespace, record)
            try record?.remove(in: stateDirectory)
            if let sentence = traces.sentence { report.removed.append("\(name): removed \(sentence)") }
            if traces.table && record == nil {
                report.failures.append(
                    "\(name): no record of its former kernel settings was found: \(KernelSetting.dottedNames) stay as they are")
            }
        } catch {
            report.failures.append("\(name): \(error). \(error.remedy)")
        }
    }

    /// A namespace that is gone took everything with it.
    private func forget(_ record: CaptureRecord, _ report: inout CleanupReport) {
        do {
            try record.remove(in: stateDirectory)
            report.removed.append("\(record.name): forgot namespace \(record.namespace), which is gone")
        } catch {
            report.failures.append("\(record.name): \(error). \(error.remedy)")
        }
    }

    private struct Place {
        let path: String
        let name: String
        let isLink: Bool
    }

    /// Every named namespace, and of those that processes are in the recorded ones.
    private static func paths(names directory: String, processes: String, wanted: Set<NamespaceIdentity>) -> [Place] {
        let named = ((try? File.names(in: directory)) ?? []).map { Place(path: "\(directory)/\($0)", name: $0, isLink: false) }
        guard !wanted.isEmpty else { return named }
        let numbers = ((try? File.names(in: processes)) ?? []).filter { $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }
        let held = numbers.compactMap { number -> Place? in
            let path = "\(processes)/\(number)/ns/net"
            guard let identity = (try? NetworkNamespace(path: path, followLink: true))?.identity, wanted.contains(identity) else {
                return nil
            }
            return Place(path: path, name: "the namespace of process \(number)", isLink: true)
        }
        return named + held
    }
}

extension Capture.Traces {
    /// `the nftables table, the policy rules`; nil if nothing was there.
    fileprivate var sentence: String? {
        let parts = [
            (table, "the nftables table"), (policyRules, "the policy rules"),
            (routes, "the routes of table \(CaptureRouting.table)"),
            (settings, "the kernel settings"),
        ]
        let found = parts.filter(\.0).map(\.1)
        return found.isEmpty ? nil : found.joined(separator: ", ")
    }
}

extension KernelSetting {
    fileprivate static var dottedNames: String { needed.map(\.dotted).joined(separator: ", ") }
}
