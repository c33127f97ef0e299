// SPDX-License-Identifier: Apache-2.0

package import HTTP
internal import Loop

// MARK: - What the session tells

extension ServiceConnection: HTTP2SessionDelegate {
    /// Clients receive none.
    package func requestReceived(_ stream: Int32, _ head: HTTP2RequestHead) {}

    package func responseReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, status: Int, headers: HTTPHeaders) {
        calls[stream]?.responded(status, headers)
    }

    package func dataReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ bytes: UnsafeRawBufferPointer) {
        if let call = calls[stream] { unsafe call.received(Array(bytes)) } else { http.consume(stream, bytes.count) }
    }

    package func trailersReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32, headers: HTTPHeaders) {
        calls[stream]?.trailers = headers
    }

    package func endReceived(_ context: UnsafeMutableRawPointer?, _ stream: Int32) {
        calls[stream]?.ended()
        // The answer is complete: what we would still send has no reader.
        if !http.hasSentEnd(stream) { http.reset(stream, HTTP2Code.noError) }
        calls[stream] = nil
    }

    package func streamClosed(_ context: UnsafeMutableRawPointer?, _ stream: Int32, _ error: UInt32) {
        guard let call = calls.removeValue(forKey: stream) else { return }
        call.failed(failure ?? ServiceFailure(.lost, "\(place) ended the call: \(HTTP2Code.name(error))"))
    }

    package func readData(
        _ context: UnsafeMutableRawPointer?, _ stream: Int32, into buffer: UnsafeMutableRawBufferPointer
    ) -> HTTP2DataRead {
        unsafe calls[stream]?.read(into: buffer) ?? .nothing
    }

    package func goAwayReceived(lastStream: Int32, error: UInt32) {
        isLeaving = true
        let queue = waiting
        waiting = []
        for call in queue { call.failed(ServiceFailure(.lost, "\(place) is going away")) }
    }

    package func pingAcknowledged(_ payload: UInt64) { pinged = nil }

    package func settingsReceived() {
        guard state == .settling else { return queueTurn() }
        state = .open
        if let deadline = deadline.take() { loop.cancel(deadline) }
        ticker = loop.arm(bounds.pingInterval, self, tag: Tag.tick)
        let tell = onReady.take()
        tell?()
        queueTurn()
    }
}
