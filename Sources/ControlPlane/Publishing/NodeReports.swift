// SPDX-License-Identifier: Apache-2.0

package import Discovery
internal import Documents
internal import HTTP
package import Kernel
internal import ResourceAPI
internal import Store
package import Transport

/// Hears what hosts report, `POST /warren/v1/report`, and keeps in the store which workloads are captured: only these are told of as reachable by
/// tunnel (I21). Once said it holds until the workload isn't to be captured any more: a host that begins anew, fails or is silent must not have its
/// workloads dialled in plain. On the API's loop.
package final class NodeReports {
    private let state: ControlState
    private let server: DiscoveryServer
    private let publishing: Publishing
    private var reports: [String: (report: NodeReport, at: Instant)] = [:]
    private var isCommitting: Set<String> = []
    /// Told of each report that was taken.
    package var onReport: ((String, NodeReport) -> Void)?

    package init(state: ControlState, server: DiscoveryServer, publishing: Publishing) {
        self.state = state
        self.server = server
        self.publishing = publishing
    }

    // MARK: - HTTP

    /// Answers a report. The caller has checked that this host is who asks.
    package func handle(_ exchange: any HTTPExchange, node: String) {
        guard exchange.head.method == "POST" else {
            exchange.respond(ControlAnswer.failure(APIStatus(.methodNotAllowed, "a report is sent by POST")))
            return
        }
        exchange.readBody(limit: NodeReport.bodyLimit) { [weak self] result in
            switch result {
            case .failure(let failure):
                if let response = ControlAnswer.failure(failure) { exchange.respond(response) }
            case .success(let bytes): exchange.respond(self?.answer(bytes, node) ?? ControlAnswer.success(.object([])))
            }
        }
    }

    private func answer(_ bytes: [UInt8], _ node: String) -> HTTP1Response {
        do throws(NodeReport.Failure) {
            take(try Self.read(bytes), from: node)
            return ControlAnswer.success(.object([]))
        } catch {
            let place = error.field.isEmpty ? "" : "\(error.field): "
            return ControlAnswer.failure(APIStatus(.badRequest, "\(place)\(error.message)"))
        }
    }

    static func read(_ bytes: [UInt8]) throws(NodeReport.Failure) -> NodeReport {
        var limits = DocumentLimits()
        (limits.bytes, limits.depth, limits.nodes) = (NodeReport.bodyLimit, 8, 100_000)
        let document: Value
        do throws(DocumentFailure) { document = try JSON.read(bytes, limits: limits) } catch {
            throw NodeReport.Failure(field: "", message: "\(error.message), at \(error.position.line):\(error.position.column)")
        }
        return try NodeReport(document)
    }

    // MARK: - What is reported

    package func take(_ report: NodeReport, from node: String) {
        reports[node] = (report, .now())
        onReport?(node, report)
        record(report, node)
    }

    /// The last report of a host, and when it came.
    package func report(of node: String) -> (report: NodeReport, at: Instant)? { reports[node] }

    package func forget(_ node: String) { reports[node] = nil }

    private func record(_ report: NodeReport, _ node: String) {
        // Before everything is here nobody can say what a host is to capture.
        guard publishing.isLoaded, !isCommitting.contains(node) else { return }
        let key = StoreKey(PublishedKind.captures, node)
        let standing = state.cache.object(key)
        let known = standing.flatMap { CaptureRecord(node: node, text: $0.text) }?.workloads ?? []
        let wanted = server.localWorkloads(of: node)
        let captured = known.union(report.workloads.filter { $0.state == .captured }.map(\.uid)).filter { wanted[$0] == true }
        guard captured != known else { return }
        isCommitting.insert(node)
        let record = CaptureRecord(node: node, workloads: captured)
        let write = captured.isEmpty ? StoreTransaction.Write.delete(key) : .put(key, record.text)
        // A commit that fails is tried again with the next report.
        let condition = StoreTransaction.Condition(key, revision: standing?.revision)
        state.commit(StoreTransaction(conditions: [condition], writes: [write])) { [weak self] _ in
            self?.isCommitting.remove(node)
        }
    }
}
