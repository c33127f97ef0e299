// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Kernel
internal import Loop
internal import Transport

/// One request and its answer. On the loop of its link, which holds it until it is answered.
final class EtcdCall: GRPCStreamDelegate, TimerTarget {
    let path: String
    private let message: [UInt8]
    private let limit: Int
    private let timeout: Interval
    private unowned let link: EtcdLink
    private var done: ((Result<[UInt8], EtcdFailure>) -> Void)?
    private var timer: LoopToken?
    private var stream: GRPCClientStream?
    private var member = ""
    private var answer: [UInt8]?
    /// It was refused for want of a login once: it is sent again with a new one, and not a third time.
    private var isRepeated = false

    /// - Parameter limit: of the answer, in bytes.
    init(
        _ path: String, _ message: [UInt8], limit: Int, timeout: Interval, link: EtcdLink,
        _ done: @escaping (Result<[UInt8], EtcdFailure>) -> Void
    ) {
        self.path = path
        self.message = message
        self.limit = limit
        self.timeout = timeout
        self.link = link
        self.done = done
        timer = link.loop.arm(timeout, self, tag: 0)
    }

    /// Sends it, once there is a connection.
    func begin(on connection: ServiceConnection, member: String) {
        self.member = member
        let stream = GRPCClientStream(on: connection, path: path, metadata: link.metadata, messageLimit: limit)
        stream.delegate = self
        self.stream = stream
        stream.begin()
        stream.send(message)
        stream.finish(.ok)
    }

    func timerFired(_ tag: UInt32) {
        timer = nil
        guard let stream else {
            return finish(.failure(.unreached("no member of etcd answers: \(link.troubles)")))
        }
        stream.cancel()
        // Whoever doesn't answer in time isn't asked again before the others were.
        link.suspect(member, "no answer within \(timeout.seconds) s")
        finish(.failure(.lost("etcd at \(member): no answer within \(timeout.seconds) s")))
    }

    func fail(_ failure: EtcdFailure) { finish(.failure(failure)) }

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        guard answer == nil else {
            stream.cancel()
            return finish(.failure(.foreign("\(member) isn't etcd v3: it answers twice")))
        }
        answer = message
        stream.take()
    }

    func messagesEnded(on stream: any GRPCStream) {}
    func drained(_ stream: any GRPCStream) {}

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) {
        guard status.code == .ok else {
            if !isRepeated, EtcdFailure.isLoginOver(status.message), link.repeats(self) {
                isRepeated = true
                (self.stream, answer) = (nil, nil)
                return
            }
            return finish(.failure(EtcdFailure(status, by: member)))
        }
        finish(answer.map { .success($0) } ?? .failure(.foreign("\(member) isn't etcd v3: it answers nothing")))
    }

    private func finish(_ result: Result<[UInt8], EtcdFailure>) {
        guard let tell = done.take() else { return }
        if let timer = timer.take() { link.loop.cancel(timer) }
        stream = nil
        link.finished(self)
        tell(result)
    }
}
