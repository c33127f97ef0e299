// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop
internal import Messages
internal import Transport
internal import Wire

/// One call of `CreateCertificate`: waits for its one message, within a bound, and answers. Owned by the service until it is over.
final class CertificateCall: GRPCStreamDelegate, TimerTarget {
    private enum State {
        case waiting(Token)
        case working
        case over
    }

    private unowned let service: CertificateService
    private let stream: any GRPCStream
    private let principal: Principal
    private let place: String
    private var state = State.over

    init(_ service: CertificateService, _ stream: any GRPCStream, _ principal: Principal, _ place: String) {
        self.service = service
        self.stream = stream
        self.principal = principal
        self.place = place
    }

    func start() {
        state = .waiting(service.loop.arm(CertificateService.patience, self, tag: 0))
        stream.delegate = self
        stream.take()
    }

    func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        guard case .waiting(let timer) = state else {
            finish(GRPCStatus(.invalidArgument, "one message is enough"))
            return
        }
        service.loop.cancel(timer)
        state = .working
        guard message.count <= CertificateService.maximumMessage else {
            finish(GRPCStatus(.resourceExhausted, "a request of more than \(CertificateService.maximumMessage) bytes"))
            return
        }
        let request: CertificateAPI.Request
        do throws(WireFailure) {
            request = try CertificateAPI.Request(decoding: message)
        } catch {
            finish(GRPCStatus(.invalidArgument, "the message can't be decoded: \(error)"))
            return
        }
        service.create(request, for: principal, from: place) { [self] result in
            guard case .working = state else { return }
            switch result {
            case .success(let response):
                stream.send(response.encoded)
                finish(.ok)
            case .failure(let status): finish(status)
            }
        }
    }

    func messagesEnded(on stream: any GRPCStream) {
        guard case .waiting = state else { return }
        finish(GRPCStatus(.invalidArgument, "a call without a message"))
    }

    func drained(_ stream: any GRPCStream) {}

    func ended(_ status: GRPCStatus, on stream: any GRPCStream) { end() }

    func timerFired(_ tag: UInt32) { finish(GRPCStatus(.deadlineExceeded, "no message came")) }

    private func finish(_ status: GRPCStatus) {
        if case .over = state { return }
        stream.finish(status)
        end()
    }

    private func end() {
        if case .waiting(let timer) = state { service.loop.cancel(timer) }
        state = .over
        service.forget(self)
    }
}
