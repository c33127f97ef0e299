// SPDX-License-Identifier: Apache-2.0

internal import HTTP

// What the HTTP/2 session tells: kept, and told on when it isn't at work.
extension LinkConnection: HTTP2SessionDelegate {
    func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {}

    func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {
        guard let stream = unsafe Self.stream(context) else { return }
        stream.status = status
        stream.headers = headers
    }

    func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        let credit = unsafe Self.stream(context)?.received(bytes) ?? bytes.count
        if credit > 0 { http.consume(stream, credit) }
    }

    func trailersReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, headers: HTTPHeaders) {
        unsafe Self.stream(context)?.trailers = headers
    }

    func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) {
        guard let known = unsafe Self.stream(context) else { return }
        // A server that has said all needs nothing more of us.
        known.endOutgoing()
        known.closed = HTTP2Code.noError
        tellLater(known)
    }

    func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        guard let context = unsafe context else { return }
        let known = unsafe Unmanaged<LinkStream>.fromOpaque(context).takeRetainedValue()
        if known.closed == nil {
            known.closed = error
            known.lostBecause = lastWords
        }
        tellLater(known)
    }

    func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead {
        unsafe Self.stream(context)?.read(into: buffer) ?? .end
    }

    func goAwayReceived(lastStream: Int32, error: UInt32) { isLeaving = true }
    func pingAcknowledged(_ payload: UInt64) { pingSent = nil }
    func settingsReceived() { hasSettings = true }

    private static func stream(_ context: UnsafeMutableRawPointer?) -> LinkStream? {
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<LinkStream>.fromOpaque(context).takeUnretainedValue()
    }
}
