// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Transport

/// A request to a control plane's resource API, or to its own endpoints.
struct ControlRequest: Sendable {
    var method = "POST"
    /// With its query.
    var path: String
    var contentType = "application/json"
    var body: [UInt8] = []
    /// A longer answer counts as none.
    var answerLimit = 1 << 20
}

struct ControlAnswer: Sendable {
    let status: Int
    let body: [UInt8]
}

/// A connection to a control plane that stands and that it has proved to be one. On the node's loop.
protocol ControlLink: AnyObject {
    /// Begins a gRPC call. The caller sets its delegate before it returns to the loop.
    func call(_ path: String) -> any GRPCStream
    /// One request and its answer. `done` is called once, within this time.
    func ask(_ request: ControlRequest, within: Interval, _ done: @escaping (Result<ControlAnswer, ControlFailure>) -> Void)
    /// Ends it, and all that is under way on it. `ended` isn't called.
    func close()
}

/// Makes connections to control planes.
protocol ControlDialler: AnyObject {
    /// - Parameters:
    ///   - done: once: the connection, with TLS done and the control plane's identity checked, or why there is none.
    ///   - ended: once, after a success, when the connection is lost.
    /// - Returns: what ends the attempt; without effect once it is done.
    func dial(
        _ address: ControlAddress, with access: ControlAccess, within: Interval,
        done: @escaping (Result<any ControlLink, ControlFailure>) -> Void, ended: @escaping (String) -> Void
    ) -> () -> Void
}

/// A gRPC call with one message each way. Lives until it is answered, by the stream that it is the delegate of.
final class UnaryCall: GRPCStreamDelegate {
    private let stream: any GRPCStream
    private let deadline: Alarm
    private var answer: [UInt8]?
    private var done: ((Result<[UInt8], GRPCStatus>) -> Void)?
    /// Keeps the call while it is under way: a stream may hold its delegate weakly.
    private var own: UnaryCall?

    @discardableResult
    init(
        _ stream: any GRPCStream, _ message: [UInt8], deadline: Alarm, within: Interval,
        _ done: @escaping (Result<[UInt8], GRPCStatus>) -> Void
    ) {
        self.stream = stream
        self.deadline = deadline
        self.done = done
        own = self
        stream.delegate = self
        deadline.set(within) { [weak self] in
            self?.stream.cancel()
            self?.end(.failure(GRPCStatus(.deadlineExceeded, "no answer within \(within.seconds) s")))
        }
        stream.send(message)
        stream.finish(.ok)
        stream.take()
    }

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        guard answer == nil else {
            stream.cancel()
            return end(.failure(GRPCStatus(.internal, "two answers to one request")))
        }
        answer = message
        stream.take()
    }

    func messagesEnded(on stream: any GRPCStream) {}
    func drained(_ stream: any GRPCStream) {}

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) {
        guard status.code == .ok else { return end(.failure(status)) }
        end(answer.map { .success($0) } ?? .failure(GRPCStatus(.internal, "no answer")))
    }

    private func end(_ result: Result<[UInt8], GRPCStatus>) {
        guard let done else { return }
        self.done = nil
        deadline.cancel()
        done(result)
        own = nil
    }
}
