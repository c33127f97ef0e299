// SPDX-License-Identifier: Apache-2.0

package import HTTP

/// A gRPC call as its server sees it, over an exchange. Made by whoever looked at the path; it answers what isn't a gRPC request itself.
package final class GRPCServerStream: GRPCStream, HTTPBodySink {
    /// Of one message, in bytes: what gRPC's own implementations take.
    package static let messageLimit = 4 << 20

    private let exchange: any HTTPExchange
    private var reader: GRPCFrameReader
    private var isBegun = false
    /// Nothing follows, whoever ended it.
    package private(set) var isOver = false
    private var inputEnded = false
    private var toldEnd = false
    /// The delegate is ready for the next message.
    private var isTaking = true
    private var isTelling = false
    package weak var delegate: (any GRPCStreamDelegate)? {
        didSet {
            guard delegate != nil, !isOver else { return }
            // The head goes out at once: a client may wait for it before it says anything, and an answer that hasn't begun is given up in time.
            begin()
            tell()
        }
    }

    /// Nil after the exchange was answered: it isn't a call of gRPC.
    package init?(_ exchange: any HTTPExchange, messageLimit: Int = messageLimit) {
        self.exchange = exchange
        reader = GRPCFrameReader(limit: messageLimit)
        guard !(exchange is HTTP1Exchange) else {
            // There is no way to tell a status.
            exchange.respond(HTTP1Response(status: 505, "gRPC takes HTTP/2\n"))
            return nil
        }
        let type = exchange.head.headers["content-type"] ?? ""
        guard exchange.head.method == "POST",
            type == "application/grpc" || type.hasPrefix("application/grpc+") || type.hasPrefix("application/grpc;")
        else {
            exchange.respond(HTTP1Response(status: 415, "this path takes gRPC only\n"))
            return nil
        }
        if let encoding = exchange.head.headers["grpc-encoding"], encoding != "identity" {
            finish(
                GRPCStatus(.unimplemented, "messages compressed by \(encoding.prefix(32)) aren't taken: send them as they are"))
            return nil
        }
        exchange.onGone = { [self] in ended(GRPCStatus(.cancelled, "the client went away")) }
        exchange.onDrained = { [self] in if !isOver { delegate?.drained(self) } }
        exchange.streamBody(self)
    }

    /// Of the request: `authorization`, `clusterid` and the like.
    package var metadata: HTTPHeaders { exchange.head.headers }
    package var peer: HTTPPeer { exchange.peer }

    // MARK: - In

    package func bodyReceived(_ bytes: [UInt8]) {
        guard !isOver else { return exchange.consumed(bytes.count) }
        reader.append(bytes)
        tell()
    }

    package func bodyEnded() {
        inputEnded = true
        tell()
    }

    package func take() {
        isTaking = true
        tell()
    }

    /// A message that is larger than the stream's window couldn't come whole if its bytes weren't given back before.
    private var given = 0
    private func makeRoom() {
        guard isTaking else { return }
        let count = reader.held - given
        guard count > 0 else { return }
        if let holder = exchange as? any BodyHolder, !holder.hold(count) {
            return finish(GRPCStatus(.resourceExhausted, "too many messages are under way; try again"))
        }
        given += count
        exchange.consumed(count)
    }

    /// Bytes that were given back early have left.
    private func release(_ count: Int) {
        given -= count
        (exchange as? any BodyHolder)?.release(count)
    }

    private func tell() {
        guard !isTelling, !isOver, delegate != nil else { return }
        isTelling = true
        defer { isTelling = false }
        while isTaking, !isOver, let delegate {
            do throws(GRPCFrameFailure) {
                guard let (message, size) = try reader.next() else { break }
                let early = min(given, size)
                release(early)
                isTaking = false
                if size > early { exchange.consumed(size - early) }
                delegate.messageReceived(message, on: self)
            } catch {
                return finish(GRPCStatus(error.code, "\(error)"))
            }
        }
        makeRoom()
        guard inputEnded, isTaking, !isOver, !toldEnd else { return }
        do throws(GRPCFrameFailure) { try reader.end() } catch { return finish(GRPCStatus(error.code, "\(error)")) }
        toldEnd = true
        delegate?.messagesEnded(on: self)
    }

    // MARK: - Out

    private func begin() {
        guard !isBegun else { return }
        isBegun = true
        exchange.begin(status: 200, headers: ["content-type": "application/grpc"])
    }

    package func send(_ message: [UInt8]) {
        guard !isOver else { return }
        begin()
        // The message itself may be one that hundreds are told: it isn't copied to be framed.
        exchange.send(GRPCFrame.head(of: message))
        exchange.send(message)
    }

    package var queued: Int { exchange.queued }

    package func finish(_ status: GRPCStatus) {
        guard !isOver else { return }
        begin()
        isOver = true
        forget()
        var trailers: HTTPHeaders = ["grpc-status": "\(status.code.rawValue)"]
        if !status.message.isEmpty { trailers.append("grpc-message", GRPCMessageText.encoded(status.message)) }
        exchange.finish(trailers: trailers)
    }

    package func cancel() {
        guard !isOver else { return }
        isOver = true
        forget()
        exchange.abort()
    }

    private func ended(_ status: GRPCStatus) {
        guard !isOver else { return }
        isOver = true
        forget()
        delegate?.ended(status, on: self)
    }

    /// The exchange and this hold each other until the call is over.
    private func forget() {
        exchange.onGone = nil
        exchange.onDrained = nil
    }
}

extension GRPCFrameFailure {
    var code: GRPCStatus.Code {
        switch self {
        case .compressed: .unimplemented
        case .tooLarge: .resourceExhausted
        case .truncated: .internal
        }
    }
}
