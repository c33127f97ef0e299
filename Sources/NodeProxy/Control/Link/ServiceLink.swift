// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import Transport

/// A connection to a control plane, as a connection to a service: HTTP/2 over TLS. On the node's loop.
final class ServiceLink: ControlLink {
    /// istiod may send the whole mesh in one message; ours sends an eighth of a mebibyte.
    private static let messageLimit = 256 << 20

    private let connection: ServiceConnection
    private let metadata: ControlAccess.Metadata?
    private var starts: [GRPCClientStream] = []
    private let starter: Alarm

    init(_ connection: ServiceConnection, metadata: ControlAccess.Metadata?, loop: Loop) {
        self.connection = connection
        self.metadata = metadata
        starter = Alarm(loop: loop)
    }

    /// It begins on the loop's next turn, when its delegate is set, or when its metadata is there; what is sent before waits in it.
    func call(_ path: String) -> any GRPCStream {
        let stream = GRPCClientStream(on: connection, path: path, messageLimit: Self.messageLimit)
        starts.append(stream)
        starter.set(.zero) { [self] in
            let due = starts
            starts = []
            for stream in due { begin(stream) }
        }
        return stream
    }

    private func begin(_ stream: GRPCClientStream) {
        guard let metadata else { return stream.begin() }
        metadata { result in
            switch result {
            case .success(let headers): stream.begin(metadata: headers)
            case .failure(let failure): stream.refuse(GRPCStatus(.unauthenticated, failure.description))
            }
        }
    }

    func ask(_ request: ControlRequest, within: Interval, _ done: @escaping (Result<ControlAnswer, ControlFailure>) -> Void) {
        var headers: HTTPHeaders = ["accept": "application/json", "user-agent": "warrend/\(warrenVersion)"]
        if !request.body.isEmpty {
            headers.append("content-type", request.contentType)
            headers.append("content-length", "\(request.body.count)")
        }
        ServiceRequest(
            on: connection, method: request.method, path: request.path, headers: headers, body: request.body,
            limit: request.answerLimit, timeout: within
        ) { answer in
            done(
                answer.map { ControlAnswer(status: $0.status, body: $0.body) }.mapError { ControlFailure($0.description) })
        }
    }

    func close() { connection.close() }
}
