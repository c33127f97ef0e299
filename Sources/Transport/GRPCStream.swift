// SPDX-License-Identifier: Apache-2.0

/// How a gRPC call ended: its code and what is said besides (grpc/doc/statuscodes.md).
package struct GRPCStatus: Error, Hashable, Sendable {
    package enum Code: Int, Sendable, CaseIterable {
        case ok = 0
        case cancelled
        case unknown
        case invalidArgument
        case deadlineExceeded
        case notFound
        case alreadyExists
        case permissionDenied
        case resourceExhausted
        case failedPrecondition
        case aborted
        case outOfRange
        case unimplemented
        case `internal`
        case unavailable
        case dataLoss
        case unauthenticated
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String = "") {
        self.code = code
        self.message = message
    }

    package static let ok = GRPCStatus(.ok)
}

/// Who hears of a gRPC call: of either end.
package protocol GRPCStreamDelegate: AnyObject {
    /// A whole message. The next comes only after this returned and `GRPCStream.take` was called, so that a peer can't outrun us.
    func messageReceived(_ message: [UInt8], on stream: any GRPCStream)
    /// The peer sends no more messages. At a client the end follows.
    func messagesEnded(on stream: any GRPCStream)
    /// What was queued has left: there is room again.
    func drained(_ stream: any GRPCStream)
    /// The call is over; nothing follows. At a server: the client went away or cancelled; not after `finish` of our own.
    func ended(_ status: GRPCStatus, on stream: any GRPCStream)
}

/// One gRPC call over HTTP/2, as a client or as a server sees it; on one loop. What is said to one that is over has no effect.
package protocol GRPCStream: AnyObject {
    var delegate: (any GRPCStreamDelegate)? { get set }
    /// Queues a message. Who sends much looks at `queued` and waits for `drained`.
    func send(_ message: [UInt8])
    /// Bytes that were queued here and that the peer hasn't taken from us yet.
    var queued: Int { get }
    /// Ready for the next message.
    func take()
    /// A client's end of its messages; a server's end of the call, with its status.
    func finish(_ status: GRPCStatus)
    /// Ends the call at once.
    func cancel()
}
