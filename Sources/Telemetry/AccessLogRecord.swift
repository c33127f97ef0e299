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
    /// Bytes from the destination to the source, and the other way: seen from the end that logs, as ztunnel counts them.
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
    /// The fields that are known, in ztunnel's order.
    var fields: [(String, LogField.Value)] {
        let text = { (value: String?) in value.map { LogField.Value.text($0) } }
        let all: [(String, LogField.Value?)] = [
            ("src.addr", .text(source.description)), ("src.workload", text(sourceWorkload)),
            ("src.namespace", text(sourceNamespace)), ("src.identity", text(sourceIdentity)),
            ("src.cluster", text(sourceCluster)),
            ("dst.addr", text(destination?.description)), ("dst.hbone_addr", text(hboneAddress)),
            ("dst.service", text(destinationService)), ("dst.workload", text(destinationWorkload)),
            ("dst.namespace", text(destinationNamespace)), ("dst.identity", text(destinationIdentity)),
            ("dst.cluster", text(destinationCluster)),
            ("direction", .text(direction.rawValue)), ("protocol", text(path?.word)),
            ("bytes_sent", .number(Int64(clamping: bytesSent))), ("bytes_recv", .number(Int64(clamping: bytesReceived))),
            ("duration", .text("\(duration.milliseconds)ms")), ("response_flags", .text(flag.word)),
            ("policy", text(policy)), ("rule", text(rule)), ("trace_id", text(trace)), ("error", text(error)),
        ]
        return all.compactMap { name, value in value.map { (name, $0) } }
    }
}
