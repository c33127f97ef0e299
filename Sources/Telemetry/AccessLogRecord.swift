// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Kernel

/// What one connection was, told when it ended: who, to whom, how much, how long, and why if it failed.
///
/// The names are those of ztunnel's access log, so that what reads one reads the other; `response_flags`, `policy`, `rule` and
/// `protocol` are added. Made by the loop that owned the connection, written by the log thread. What isn't known is left out.
package struct AccessLogRecord: Sendable {
    package enum Direction: String, Sendable {
        case inbound
        case outbound
    }

    /// When the connection ended.
    package var time: WallTime
    package var direction: Direction
    /// How long it lived.
    package var duration: Interval
    package var source: SocketAddress
    package var sourceWorkload: String?
    package var sourceNamespace: String?
    package var sourceIdentity: String?
    package var sourceCluster: String?
    /// Where the connection went: the endpoint, not the service.
    package var destination: SocketAddress?
    /// What the CONNECT asked for, where that differs from the tunnel's address.
    package var hboneAddress: String?
    package var destinationService: String?
    package var destinationWorkload: String?
    package var destinationNamespace: String?
    package var destinationIdentity: String?
    package var destinationCluster: String?
    /// How the bytes went: `hbone`, `tcp`, `local`.
    package var path: TrafficPath?
    /// What the server sent, and what the client sent: the same at both ends, as Istio counts.
    package var bytesSent: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    package var flag: ResponseFlag = .none
    /// On a refusal by policy: which (`namespace/name`) and the rule's place in it.
    package var policy: String?
    package var rule: String?
    /// The sentence for the operator; nil if all went well.
    package var error: String?
    /// The trace that both ends of a tunnel write, 32 hexadecimal digits.
    package var trace: String?

    package init(time: WallTime, direction: Direction, duration: Interval, source: SocketAddress) {
        self.time = time
        self.direction = direction
        self.duration = duration
        self.source = source
    }

    package var level: LogLevel { error == nil && flag == .none ? .info : .error }

    package var message: String { "connection complete" }
}

extension AccessLogRecord {
    /// Lends the fields that are known, in ztunnel's order.
    func forEachField(_ body: (String, LogField.Value) -> Void) {
        func text(_ name: String, _ value: String?) { if let value { body(name, .text(value)) } }
        text("src.addr", source.description)
        text("src.workload", sourceWorkload)
        text("src.namespace", sourceNamespace)
        text("src.identity", sourceIdentity)
        text("src.cluster", sourceCluster)
        text("dst.addr", destination?.description)
        text("dst.hbone_addr", hboneAddress)
        text("dst.service", destinationService)
        text("dst.workload", destinationWorkload)
        text("dst.namespace", destinationNamespace)
        text("dst.identity", destinationIdentity)
        text("dst.cluster", destinationCluster)
        text("direction", direction.rawValue)
        text("protocol", path?.word)
        body("bytes_sent", .number(Int64(clamping: bytesSent)))
        body("bytes_recv", .number(Int64(clamping: bytesReceived)))
        text("duration", "\(duration.milliseconds)ms")
        text("response_flags", flag.word)
        text("policy", policy)
        text("rule", rule)
        text("trace_id", trace)
        text("error", error)
    }
}
