// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Loop
internal import Transport
internal import Wire

/// One login of a user with its password, for a token that goes with every call. On the loop of its link, which holds it until it is answered.
final class EtcdLogin: GRPCStreamDelegate, TimerTarget {
    private static let limit = 1 << 16
    /// Of a token that can stand in a header.
    private static let tokenLimit = 8192

    private let loop: Loop
    private let timeout: Interval
    private let member: String
    private var done: ((Result<String, EtcdFailure>) -> Void)?
    private var timer: LoopToken?
    private var stream: GRPCClientStream?
    private var answer: [UInt8]?

    /// - Parameter done: told the token; an empty one if etcd asks nobody who they are.
    init(loop: Loop, timeout: Interval, member: String, _ done: @escaping (Result<String, EtcdFailure>) -> Void) {
        self.loop = loop
        self.timeout = timeout
        self.member = member
        self.done = done
    }

    func begin(on connection: ServiceConnection, _ metadata: HTTPHeaders, user: String, password: String) {
        timer = loop.arm(timeout, self, tag: 0)
        let stream = GRPCClientStream(on: connection, path: EtcdPath.authenticate, metadata: metadata, messageLimit: Self.limit)
        stream.delegate = self
        self.stream = stream
        stream.begin()
        stream.send(EtcdRequest.authenticate(user: user, password: password))
        stream.finish(.ok)
    }

    func cancel() {
        done = nil
        stop()
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        finish(.failure(.lost("etcd at \(member): no answer to the login within \(timeout.seconds) s")))
    }

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        answer = message
        stream.take()
    }

    func messagesEnded(on stream: any GRPCStream) {}
    func drained(_ stream: any GRPCStream) {}

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) {
        // As etcd's own clients have it: a user who isn't asked for is no fault.
        if status.message.contains("authentication is not enabled") { return finish(.success("")) }
        guard status.code == .ok else { return finish(.failure(EtcdFailure(status, by: member))) }
        guard let answer, let token = (try? EtcdTokenAnswer(decoding: answer[...]))?.token, Self.isToken(token) else {
            return finish(.failure(.foreign("\(member) isn't etcd v3: its answer to the login can't be read")))
        }
        finish(.success(token))
    }

    private static func isToken(_ text: String) -> Bool {
        (1...tokenLimit).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    private func finish(_ result: Result<String, EtcdFailure>) {
        guard let tell = done.take() else { return }
        stop()
        tell(result)
    }

    private func stop() {
        if let timer = timer.take() { loop.cancel(timer) }
        stream?.cancel()
        stream = nil
    }
}
