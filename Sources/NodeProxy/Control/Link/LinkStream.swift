// SPDX-License-Identifier: Apache-2.0

internal import HTTP
internal import Transport

/// One request on a connection to a control plane: what is to be sent, and what came and isn't told yet. What comes is gathered while HTTP/2 is parsed and told
/// after it, so that whoever is told may do anything. The connection holds it while it is open.
class LinkStream {
    private weak var connection: LinkConnection?
    private var id: Int32 = 0
    /// Bytes to send, from `sent` on.
    private var outgoing: [UInt8] = []
    private var sent = 0
    private var isOutgoingOver = false
    /// Nothing more is sent or told.
    private(set) var isOver = false
    var status: Int?
    var headers = HTTPHeaders()
    var trailers: HTTPHeaders?
    /// What the connection says of its end; nil while it is open.
    var closed: UInt32?
    var lostBecause: String?

    init(_ connection: LinkConnection) { self.connection = connection }

    final func begin(id: Int32) { self.id = id }

    // MARK: - Out

    final var waiting: Int { outgoing.count - sent }

    final func append(_ bytes: [UInt8]) {
        guard !isOver, !isOutgoingOver else { return }
        if sent == outgoing.count {
            outgoing = bytes
            sent = 0
        } else {
            outgoing += bytes
        }
        connection?.resume(id)
    }

    final func endOutgoing() {
        guard !isOver, !isOutgoingOver else { return }
        isOutgoingOver = true
        connection?.resume(id)
    }

    final func read(into buffer: UnsafeMutableRawBufferPointer) -> HTTP2DataRead {
        let count = min(buffer.count, waiting)
        guard count > 0 else { return isOutgoingOver ? .end : .nothing }
        unsafe buffer.copyBytes(from: outgoing[sent..<sent + count])
        sent += count
        if sent == outgoing.count {
            outgoing = []
            sent = 0
            hasDrained()
        }
        return isOutgoingOver && waiting == 0 ? .bytesAndEnd(count) : .bytes(count)
    }

    final func reset() {
        guard !isOver else { return }
        isOver = true
        connection?.reset(id)
    }

    final func giveCredit(_ count: Int) { if count > 0 { connection?.consume(id, count) } }

    // MARK: - In

    /// Bytes of the answer: kept. Returns how many the control plane may send in their place at once.
    func received(_ bytes: UnsafeRawBufferPointer) -> Int { bytes.count }
    func hasDrained() {}
    /// Tells what came.
    func tell() {}

    final func finish() { isOver = true }
    final func tellLater() { connection?.tellLater(self) }
}

/// A gRPC call over it (grpc/doc/PROTOCOL-HTTP2.md).
final class LinkCall: LinkStream, GRPCStream {
    /// istiod may send the whole mesh in one message; ours sends an eighth of a mebibyte.
    static let messageLimit = 256 << 20

    weak var delegate: (any GRPCStreamDelegate)?
    private var incoming: [UInt8] = []
    private var start = 0
    private var owed = 0
    private var mayTell = false
    private var drainedOnce = false
    private var isTelling = false

    var queued: Int { waiting }

    func send(_ message: [UInt8]) {
        let count = UInt32(clamping: message.count)
        append([0] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } + message)
    }

    func take() {
        mayTell = true
        if hasMessage || closed != nil { tellLater() }
    }

    func finish(_ status: GRPCStatus) { endOutgoing() }
    func cancel() { reset() }

    override func hasDrained() {
        drainedOnce = true
        tellLater()
    }

    /// A message that waits holds its room back; one that isn't whole can't.
    override func received(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !isOver else { return bytes.count }
        let isWaiting = hasMessage
        unsafe incoming.append(contentsOf: bytes)
        tellLater()
        guard isWaiting else { return bytes.count }
        owed += bytes.count
        return 0
    }

    /// The length of the message in front; nil until its head is there.
    private var length: Int? {
        guard incoming.count - start >= 5 else { return nil }
        return incoming[start + 1..<start + 5].reduce(0) { $0 << 8 | Int($1) }
    }

    private var hasMessage: Bool { length.map { incoming.count - start - 5 >= $0 } ?? false }

    override func tell() {
        guard !isTelling else { return }
        isTelling = true
        defer { isTelling = false }
        if drainedOnce {
            drainedOnce = false
            if !isOver { delegate?.drained(self) }
        }
        while !isOver, mayTell, let length {
            guard length <= Self.messageLimit, incoming[start] == 0 else {
                let what =
                    incoming[start] == 0 ? "a message of \(length) bytes" : "a compressed message, though none was asked for"
                return fail(GRPCStatus(.resourceExhausted, what))
            }
            guard incoming.count - start - 5 >= length else { break }
            let message = Array(incoming[start + 5..<start + 5 + length])
            start += 5 + length
            if start == incoming.count {
                incoming = []
                start = 0
            } else if start > incoming.count / 2 {
                incoming.removeFirst(start)
                start = 0
            }
            mayTell = false
            let credit = owed
            owed = 0
            giveCredit(credit)
            delegate?.messageReceived(message, on: self)
        }
        if !isOver, let length, length > Self.messageLimit {
            return fail(GRPCStatus(.resourceExhausted, "a message of \(length) bytes"))
        }
        if closed != nil, !isOver, !hasMessage {
            finish()
            delegate?.ended(outcome, on: self)
        }
    }

    private func fail(_ status: GRPCStatus) {
        reset()
        delegate?.ended(status, on: self)
    }

    /// What its end means (grpc/doc/http-grpc-status-mapping.md).
    private var outcome: GRPCStatus {
        if let lostBecause { return GRPCStatus(.unavailable, lostBecause) }
        let fields = trailers ?? headers
        if let code = fields["grpc-status"].flatMap({ Int($0) }) {
            let message = String((fields["grpc-message"] ?? "").prefix(4096))
            return GRPCStatus(GRPCStatus.Code(rawValue: code) ?? .unknown, Self.decoded(message))
        }
        switch status {
        case nil: return GRPCStatus(.unavailable, "the call was reset before an answer (\(closed ?? 0))")
        case 200: return GRPCStatus(.unavailable, "the call ended without a status (\(closed ?? 0))")
        case 400: return GRPCStatus(.internal, "answered with 400")
        case 401: return GRPCStatus(.unauthenticated, "answered with 401")
        case 403: return GRPCStatus(.permissionDenied, "answered with 403")
        case 404: return GRPCStatus(.unimplemented, "answered with 404")
        case 429, 502, 503, 504: return GRPCStatus(.unavailable, "answered with \(status ?? 0)")
        case .some(let other): return GRPCStatus(.unknown, "answered with \(other)")
        }
    }

    /// `grpc-message` is percent-encoded.
    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A request with one whole answer.
final class LinkRequest: LinkStream {
    private var body: [UInt8] = []
    private let limit: Int
    private var isTooLarge = false
    private var done: ((Result<ControlAnswer, ControlFailure>) -> Void)?
    private let deadline: Alarm

    init(
        _ connection: LinkConnection, limit: Int, deadline: Alarm, done: @escaping (Result<ControlAnswer, ControlFailure>) -> Void
    ) {
        self.limit = limit
        self.done = done
        self.deadline = deadline
        super.init(connection)
    }

    override func received(_ bytes: UnsafeRawBufferPointer) -> Int {
        if body.count + bytes.count > limit { isTooLarge = true } else { unsafe body.append(contentsOf: bytes) }
        if isTooLarge { tellLater() }
        return bytes.count
    }

    override func tell() {
        if isTooLarge { return fail(ControlFailure("an answer of more than \(limit) bytes")) }
        guard let closed else { return }
        if let lostBecause { return fail(ControlFailure(lostBecause)) }
        guard closed == HTTP2Code.noError, let status else { return fail(ControlFailure("the request was reset (\(closed))")) }
        end(.success(ControlAnswer(status: status, body: body)))
    }

    func fail(_ failure: ControlFailure) {
        reset()
        end(.failure(failure))
    }

    private func end(_ result: Result<ControlAnswer, ControlFailure>) {
        finish()
        deadline.cancel()
        let done = done
        self.done = nil
        done?(result)
    }
}
