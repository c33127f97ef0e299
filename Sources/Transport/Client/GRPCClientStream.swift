// SPDX-License-Identifier: Apache-2.0

package import HTTP

/// A gRPC call as its client sees it, on a connection to a service. Begin it when its delegate is set.
package final class GRPCClientStream: GRPCStream, ServiceCaller {
    private let messageLimit: Int
    private var call: ServiceCall?
    private var reader: GRPCFrameReader
    private var status: GRPCStatus?
    /// The answer's head said that it isn't gRPC, or how the call ended.
    private var isAnswered = false
    private var isOver = false
    private var hasEnded = false
    private var isTaking = true
    private var isTelling = false
    private var given = 0
    package weak var delegate: (any GRPCStreamDelegate)?

    package init(
        on connection: ServiceConnection, path: String, metadata: HTTPHeaders = [:], messageLimit: Int = 64 << 20
    ) {
        self.messageLimit = messageLimit
        reader = GRPCFrameReader(limit: messageLimit)
        var headers: HTTPHeaders = ["content-type": "application/grpc", "te": "trailers", "user-agent": "warren"]
        for (name, value) in metadata { headers.append(name, value) }
        call = ServiceCall(connection, method: "POST", path: path, headers: headers, body: nil, caller: self)
    }

    /// Whoever lets go of a call gives it up.
    deinit { call?.cancel() }

    /// - Parameter metadata: that wasn't known when it was made, a token for instance.
    package func begin(metadata: HTTPHeaders = [:]) {
        call?.add(metadata)
        call?.begin()
    }

    /// In place of beginning: it can't, and its delegate is told so.
    package func refuse(_ status: GRPCStatus) {
        call?.cancel()
        end(status)
    }

    // MARK: - Out

    package func send(_ message: [UInt8]) { call?.send(GRPCFrame.framed(message)) }
    package var queued: Int { call?.queued ?? 0 }
    /// The end of our messages; what status a client gives doesn't count.
    package func finish(_ status: GRPCStatus) { call?.finish() }

    package func cancel() {
        guard !isOver else { return }
        isOver = true
        call?.cancel()
        call = nil
    }

    // MARK: - In

    package func answered(_ call: ServiceCall, status: Int, headers: HTTPHeaders) {
        isAnswered = true
        let isGRPC = headers["content-type"]?.hasPrefix("application/grpc") ?? false
        if status != 200 || !isGRPC { self.status = Self.status(http: status) }
        // An answer without messages may say everything in its head.
        if let said = Self.status(headers) { self.status = said }
    }

    package func received(_ call: ServiceCall, _ bytes: [UInt8]) {
        // Not gRPC: what comes is a page for people.
        guard status == nil else { return call.consumed(bytes.count) }
        reader.append(bytes)
        tell()
    }

    package func drained(_ call: ServiceCall) { if !isOver { delegate?.drained(self) } }

    package func ended(_ call: ServiceCall, trailers: HTTPHeaders) {
        if let said = Self.status(trailers) { status = said }
        hasEnded = true
        tell()
    }

    package func failed(_ call: ServiceCall, _ failure: ServiceFailure) {
        let code: GRPCStatus.Code = failure.kind == .timeout ? .deadlineExceeded : .unavailable
        end(GRPCStatus(code, failure.description))
    }

    package func take() {
        isTaking = true
        tell()
    }

    private func makeRoom() {
        guard isTaking, let call else { return }
        let count = reader.held - given
        guard count > 0 else { return }
        given += count
        call.consumed(count)
    }

    private func tell() {
        guard !isTelling, !isOver else { return }
        isTelling = true
        defer { isTelling = false }
        while isTaking, !isOver, let delegate {
            do throws(GRPCFrameFailure) {
                guard let (message, size) = try reader.next() else { break }
                let early = min(given, size)
                given -= early
                isTaking = false
                if size > early { call?.consumed(size - early) }
                delegate.messageReceived(message, on: self)
            } catch {
                call?.cancel()
                return end(GRPCStatus(error.code, "\(error)"))
            }
        }
        makeRoom()
        guard hasEnded, isTaking, !isOver else { return }
        if status?.code == .ok, reader.held == 0 { delegate?.messagesEnded(on: self) }
        guard !isOver else { return }
        if status?.code == .ok, reader.held > 0 { return end(GRPCStatus(.internal, "the call ended within a message")) }
        end(status ?? GRPCStatus(.internal, "the service ended the call without a status"))
    }

    private func end(_ status: GRPCStatus) {
        guard !isOver else { return }
        isOver = true
        call = nil
        delegate?.ended(status, on: self)
    }

    private static func status(_ fields: HTTPHeaders) -> GRPCStatus? {
        guard let text = fields["grpc-status"] else { return nil }
        let code = Int(text).flatMap { GRPCStatus.Code(rawValue: $0) } ?? .unknown
        return GRPCStatus(code, fields["grpc-message"].map { GRPCMessageText.decoded($0) } ?? "")
    }

    /// grpc/doc/http-grpc-status-mapping.md.
    private static func status(http status: Int) -> GRPCStatus {
        let code: GRPCStatus.Code =
            switch status {
            case 400: .internal
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .unimplemented
            case 429, 502, 503, 504: .unavailable
            default: .unknown
            }
        return GRPCStatus(code, "the service answered with HTTP status \(status)")
    }
}
