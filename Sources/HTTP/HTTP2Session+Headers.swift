// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

extension HTTP2Session {
    /// A header block begins. On servers a new stream gets its record here; the delegate hears of it when the block is complete.
    func headersBegin(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let stream = unsafe frame.pointee.hd.stream_id
        let isRequest = unsafe frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
        if isRequest, role == .server {
            let record = unsafe streams.insert(HTTP2StreamRecord(stream))
            unsafe nghttp2_session_set_stream_user_data(session, stream, record)
            block = HTTP2HeaderBlock(.request, settings)
        } else if let record = unsafe record(stream), role == .client, unsafe !record.pointee.isAnswered {
            block = HTTP2HeaderBlock(.response, settings)
        } else {
            block = HTTP2HeaderBlock(.trailers, settings)
        }
        return verdict
    }

    func headerReceived(_ name: nghttp2_vec, _ value: nghttp2_vec) -> Int32 {
        unsafe block?.add(
            UnsafeRawBufferPointer(start: name.base, count: name.len), UnsafeRawBufferPointer(start: value.base, count: value.len)
        )
        return verdict
    }

    /// The block is complete: it is told, or its stream reset.
    func headersReceived(_ frame: nghttp2_frame_hd) {
        guard let block = block.take(), let record = unsafe record(frame.stream_id) else { return }
        let isLast = frame.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch block.kind {
        case .request: unsafe requestReceived(block, record)
        case .response: unsafe responseReceived(block, record)
        case .trailers: unsafe trailersReceived(block, record, isLast: isLast)
        }
        if isLast { endReceived(frame.stream_id) }
    }

    private func requestReceived(_ block: HTTP2HeaderBlock, _ record: UnsafeMutablePointer<HTTP2StreamRecord>) {
        let stream = unsafe record.pointee.id
        guard let head = block.request else {
            _ = violated(stream, code: block.flaw == .tooLarge ? HTTP2Code.enhanceYourCalm : HTTP2Code.protocolError)
            return
        }
        guard !refusesStreams else { return reset(stream, HTTP2Code.refusedStream) }
        unsafe record.pointee.isAnnounced = true
        unsafe record.pointee.isConnect = head.method == "CONNECT"
        if unsafe !record.pointee.isConnect { unsafe record.pointee.bodyLeft = block.contentLength ?? -1 }
        delegate.requestReceived(stream, head)
    }

    private func responseReceived(_ block: HTTP2HeaderBlock, _ record: UnsafeMutablePointer<HTTP2StreamRecord>) {
        let stream = unsafe record.pointee.id
        guard block.flaw == nil, let status = block.status else {
            _ = violated(stream, code: block.flaw == .tooLarge ? HTTP2Code.enhanceYourCalm : HTTP2Code.protocolError)
            return
        }
        guard status >= 200 else { return }
        unsafe record.pointee.isAnswered = true
        unsafe record.pointee.isAccepted = status < 300
        unsafe delegate.responseReceived(record.pointee.context, stream, status: status, headers: block.headers)
        // Whatever the application had for the tunnel was held back until now.
        resume(stream)
    }

    /// Fields behind the body end the message; a tunnel has none (RFC 9113 §8.1, §8.5).
    private func trailersReceived(_ block: HTTP2HeaderBlock, _ record: UnsafeMutablePointer<HTTP2StreamRecord>, isLast: Bool) {
        let stream = unsafe record.pointee.id
        guard block.flaw == nil, isLast, unsafe !record.pointee.isConnect else { return _ = violated(stream) }
        unsafe delegate.trailersReceived(record.pointee.context, stream, headers: block.headers)
    }
}
