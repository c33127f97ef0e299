// SPDX-License-Identifier: Apache-2.0

/// What happens on a session. All calls come synchronously out of `receive`, `produce` or `abandonStreams`, on the session's thread.
///
/// A delegate may call any method of the session from within, except those three. It may drop the session: that ends when the call
/// that is running does. `context` is what `submitRequest` or `setContext` was given for the stream, nil before; the session neither
/// retains nor frees it.
package protocol HTTP2SessionDelegate: AnyObject {
    /// Server: a request came with its complete, valid head. Method and authority are for the delegate to judge.
    func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead)

    /// Client: the final answer to a request. Informational answers (1xx) aren't told.
    func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders)

    /// Bytes of a stream, never none; live during the call only. The stream's credit goes back to the peer by `consume`.
    func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer)

    /// The fields behind the body. `endReceived` follows.
    func trailersReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, headers: HTTPHeaders)

    /// The peer finished its half: END_STREAM, and nothing else is ever told as an end.
    func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32)

    /// The last event of a stream. `error` is the code of the RST_STREAM that either end sent, or NO_ERROR because both halves ended: a
    /// reset may bear that code, too, so only `endReceived` tells of an end. REFUSED_STREAM also means that the peer's GOAWAY came before the
    /// stream: it provably did nothing.
    func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32)

    /// The stream may send: read application bytes to the start of `buffer`, which is never empty.
    func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead

    /// The peer opens or takes no more streams above `lastStream`.
    func goAwayReceived(lastStream: Int32, error: UInt32)

    /// The answer to `ping`.
    func pingAcknowledged(_ payload: UInt64)

    /// The peer's settings came, first or changed: `peerMaxConcurrentStreams` and the like now tell them.
    func settingsReceived()
}

extension HTTP2SessionDelegate {
    /// Tunnels have no trailers.
    package func trailersReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, headers: HTTPHeaders) {}
}

/// What an application had to send when it was asked.
package enum HTTP2DataRead: Equatable, Sendable {
    /// This many bytes stand at the start of the buffer: at least one, at most the buffer's size.
    case bytes(Int)
    /// The same, and they are the last.
    case bytesAndEnd(Int)
    /// No more bytes: END_STREAM.
    case end
    /// No more bytes, and these fields behind them.
    case trailers(HTTPHeaders)
    /// Nothing now. The stream isn't asked again before `resume`.
    case nothing
    /// The application is lost: RST_STREAM with this code.
    case reset(UInt32)
}

/// The head of a request, checked by the rules of HTTP/2 but not judged.
package struct HTTP2RequestHead: Hashable, Sendable {
    package var method: String
    /// Empty if there was none, which only the delegate can answer.
    package var authority: String
    /// Nil in a CONNECT, there in every other request.
    package var scheme: String?
    /// Nil in a CONNECT, there in every other request.
    package var path: String?
    /// The fields behind the pseudo-headers.
    package var headers: HTTPHeaders

    package init(method: String, authority: String, scheme: String? = nil, path: String? = nil, headers: HTTPHeaders = [:]) {
        self.method = method
        self.authority = authority
        self.scheme = scheme
        self.path = path
        self.headers = headers
    }
}
