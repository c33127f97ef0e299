// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

extension HTTP2Session {
    /// Parses all of these bytes and tells the delegate what they say.
    ///
    /// `second` is the owner's monotonic clock, by which the limits on misbehaviour refill. A failure means that the peer is to be cut
    /// off once what `produce` still gives (a GOAWAY with the reason) is sent; bytes received afterwards are dropped.
    package func receive(_ bytes: UnsafeRawBufferPointer, second: Int = 0) -> HTTP2Failure? {
        run {
            guard unsafe failure == nil && !isTerminated && !bytes.isEmpty else { return }
            allowances.refill(at: second)
            unsafe parse(bytes)
        }
        return failure
    }

    private func parse(_ bytes: UnsafeRawBufferPointer) {
        let taken = unsafe bytes.withMemoryRebound(to: UInt8.self) {
            unsafe nghttp2_session_mem_recv(session, $0.baseAddress, $0.count)
        }
        if taken < 0 { refuse(Int32(clamping: taken)) }
        if unsafe nghttp2_session_get_outbound_queue_size(session) > settings.limits.outboundFrames {
            fail(.outputBacklog, code: HTTP2Code.enhanceYourCalm)
        }
    }

    /// The library gave up inside `receive`: for a reason of ours, which stands already, or for one of its own.
    private func refuse(_ error: Int32) {
        switch nghttp2_error(error) {
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC: fail(.notHTTP2, code: HTTP2Code.protocolError)
        case NGHTTP2_ERR_FLOODED: fail(.controlFlood, code: HTTP2Code.enhanceYourCalm)
        case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: fail(.continuationFlood, code: HTTP2Code.enhanceYourCalm)
        default: fail(.library(code: Int(error), detail: Self.libraryText(error)), code: HTTP2Code.internalError)
        }
    }

    static func libraryText(_ error: Int32) -> String {
        guard let text = unsafe nghttp2_strerror(error) else { return "" }
        return unsafe String(cString: text)
    }
}

// MARK: - Frames

extension HTTP2Session {
    /// A frame begins that isn't to be ignored: what it costs is taken off before it is parsed.
    func frameBegins(_ frame: nghttp2_frame_hd) -> Int32 {
        switch nghttp2_frame_type(UInt32(frame.type)) {
        case NGHTTP2_DATA:
            sawData = false
        case NGHTTP2_HEADERS:
            blockContinuations = 0
            blockLength = frame.length
            checkBlock()
        case NGHTTP2_CONTINUATION:
            blockContinuations += 1
            blockLength += frame.length
            checkBlock()
        case NGHTTP2_WINDOW_UPDATE:
            if !allowances.windowUpdates.spend() { fail(.windowUpdateFlood, code: HTTP2Code.enhanceYourCalm) }
        case NGHTTP2_RST_STREAM:
            break
        default:
            if !allowances.controlFrames.spend() { fail(.controlFlood, code: HTTP2Code.enhanceYourCalm) }
        }
        return verdict
    }

    /// A block may be larger on the wire than the list it holds (padding, fields that we drop), but not four times.
    private func checkBlock() {
        if blockContinuations > settings.limits.continuations { fail(.continuationFlood, code: HTTP2Code.enhanceYourCalm) }
        if blockLength > 4 * Int(settings.maxHeaderListSize) { fail(.headerBlockTooLarge, code: HTTP2Code.enhanceYourCalm) }
    }

    /// A frame came to its end, with all that it says.
    func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = unsafe frame.pointee.hd
        switch nghttp2_frame_type(UInt32(header.type)) {
        case NGHTTP2_DATA: dataFrameReceived(header)
        case NGHTTP2_HEADERS: headersReceived(header)
        case NGHTTP2_RST_STREAM: resetReceived(header.stream_id)
        case NGHTTP2_SETTINGS where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0: delegate.settingsReceived()
        case NGHTTP2_PING where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0:
            unsafe pingAcknowledged(frame.pointee.ping.opaque_data)
        case NGHTTP2_GOAWAY:
            peerIsLeaving = true
            let (last, error) = unsafe (frame.pointee.goaway.last_stream_id, frame.pointee.goaway.error_code)
            delegate.goAwayReceived(lastStream: last, error: error)
        default: break
        }
        return verdict
    }

    /// What a callback returns: go on, or stop parsing because the session failed.
    var verdict: Int32 { failure == nil ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }

    /// Bytes of a DATA frame. The connection's credit goes back at once: what bounds memory is the credit of the streams.
    func dataReceived(_ stream: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
        sawData = true
        unsafe nghttp2_session_consume_connection(session, bytes.count)
        guard let record = unsafe record(stream), unsafe record.pointee.isTold else { return verdict }
        if unsafe record.pointee.bodyLeft >= 0 {
            unsafe record.pointee.bodyLeft -= bytes.count
            if unsafe record.pointee.bodyLeft < 0 { return violated(stream) }
        }
        unsafe delegate.dataReceived(record.pointee.context, stream, bytes)
        return verdict
    }

    private func dataFrameReceived(_ frame: nghttp2_frame_hd) {
        if frame.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 {
            endReceived(frame.stream_id)
        } else if !sawData, !allowances.emptyData.spend() {
            fail(.emptyDataFlood, code: HTTP2Code.enhanceYourCalm)
        }
    }

    /// END_STREAM. A body shorter than announced is a broken message, never an end.
    func endReceived(_ stream: Int32) {
        guard let record = unsafe record(stream), unsafe record.pointee.isTold else { return }
        guard unsafe record.pointee.bodyLeft <= 0 else { return _ = violated(stream) }
        unsafe delegate.endReceived(record.pointee.context, stream)
    }

    /// The peer reset a stream; the library tells of its end right after.
    private func resetReceived(_ stream: Int32) {
        guard role == .server, let record = unsafe record(stream), unsafe !record.pointee.isAccepted else { return }
        if !allowances.resets.spend() { fail(.rapidReset, code: HTTP2Code.enhanceYourCalm) }
    }

    private func pingAcknowledged(_ bytes: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) {
        let payload = unsafe withUnsafeBytes(of: bytes) { unsafe UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard payload != Self.drainMark else { return _ = finishDrain() }
        delegate.pingAcknowledged(payload)
    }

    /// The peer broke a rule on this stream: it is reset, and that is counted.
    func violated(_ stream: Int32, code: UInt32 = HTTP2Code.protocolError) -> Int32 {
        reset(stream, code)
        countViolation()
        return verdict
    }

    /// Takes one off what the peer may break.
    func countViolation() {
        if !allowances.violations.spend() { fail(.inducedResets, code: HTTP2Code.enhanceYourCalm) }
    }
}
