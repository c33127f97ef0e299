// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Documents
package import Kernel
package import Telemetry

/// One open connection, as its loop tells it to the admin API.
package struct ConnectionInfo: Sendable {
    /// Unique within this process.
    package var id: UInt64
    /// `NAMESPACE/NAME` of the local workload.
    package var workload: String
    package var direction: AccessLogRecord.Direction
    /// Our application's end: the client's address outbound, the server's inbound.
    package var local: SocketAddress
    /// The other application's end, as far as it is known.
    package var remote: SocketAddress?
    /// What was asked for: the address before it was redirected, or the CONNECT's authority.
    package var target: String
    /// The service that this is an address of.
    package var service: String?
    package var path: TrafficPath
    package var localIdentity: String?
    package var remoteIdentity: String?
    /// Bytes from the client to the server, and back.
    package var received: UInt64
    package var sent: UInt64
    package var age: Interval
    /// The policy that allowed it, `NAMESPACE/NAME`; nil for the default.
    package var policy: String?
    /// Where it stands: `connecting`, `open`, `halfClosed`, …
    package var state: String
    /// The loop that owns it.
    package var loop: Int

    package init(
        id: UInt64, workload: String, direction: AccessLogRecord.Direction, local: SocketAddress, remote: SocketAddress? = nil,
        target: String, service: String? = nil, path: TrafficPath, localIdentity: String? = nil, remoteIdentity: String? = nil,
        received: UInt64 = 0, sent: UInt64 = 0, age: Interval, policy: String? = nil, state: String, loop: Int
    ) {
        self.id = id
        self.workload = workload
        self.direction = direction
        self.local = local
        self.remote = remote
        self.target = target
        self.service = service
        self.path = path
        self.localIdentity = localIdentity
        self.remoteIdentity = remoteIdentity
        self.received = received
        self.sent = sent
        self.age = age
        self.policy = policy
        self.state = state
        self.loop = loop
    }

    package var document: Value {
        .object(present: [
            ("id", .integer(id)), ("workload", .string(workload)), ("direction", .string(direction.rawValue)),
            ("local", .string(local.description)), ("remote", .text(remote?.description)), ("target", .string(target)),
            ("service", .text(service)), ("protocol", .string(path.word)), ("localIdentity", .text(localIdentity)),
            ("remoteIdentity", .text(remoteIdentity)), ("bytesReceived", .integer(received)), ("bytesSent", .integer(sent)),
            ("ageSeconds", .number(age.seconds)), ("policy", .text(policy)), ("state", .string(state)), ("loop", .integer(loop)),
        ])
    }
}

/// One tunnel, as its loop tells it to the admin API.
package struct TunnelInfo: Sendable {
    package var id: UInt64
    package var side: TunnelSide
    /// `NAMESPACE/NAME` of the local workload.
    package var workload: String
    /// The two ends of the TCP connection, ours first.
    package var local: SocketAddress
    package var remote: SocketAddress
    package var localIdentity: String
    package var remoteIdentity: String?
    package var streams: Int
    /// Streams that there were, those open included.
    package var opened: UInt64
    /// `handshake`, `open`, `draining`, …
    package var state: String
    package var age: Interval
    package var received: UInt64
    package var sent: UInt64
    /// As OpenSSL names it: `TLS_AES_128_GCM_SHA256`.
    package var cipher: String?
    package var loop: Int

    package init(
        id: UInt64, side: TunnelSide, workload: String, local: SocketAddress, remote: SocketAddress, localIdentity: String,
        remoteIdentity: String? = nil, streams: Int, opened: UInt64, state: String, age: Interval, received: UInt64 = 0,
        sent: UInt64 = 0, cipher: String? = nil, loop: Int
    ) {
        self.id = id
        self.side = side
        self.workload = workload
        self.local = local
        self.remote = remote
        self.localIdentity = localIdentity
        self.remoteIdentity = remoteIdentity
        self.streams = streams
        self.opened = opened
        self.state = state
        self.age = age
        self.received = received
        self.sent = sent
        self.cipher = cipher
        self.loop = loop
    }

    package var document: Value {
        .object(present: [
            ("id", .integer(id)), ("side", .string(side.word)), ("workload", .string(workload)),
            ("local", .string(local.description)), ("remote", .string(remote.description)),
            ("localIdentity", .string(localIdentity)), ("remoteIdentity", .text(remoteIdentity)), ("streams", .integer(streams)),
            ("streamsOpened", .integer(opened)), ("state", .string(state)), ("ageSeconds", .number(age.seconds)),
            ("bytesReceived", .integer(received)), ("bytesSent", .integer(sent)), ("cipher", .text(cipher)),
            ("loop", .integer(loop)),
        ])
    }
}

extension Value {
    /// A string, or nothing.
    static func text(_ text: String?) -> Value? { text.map { .string($0) } }
}
