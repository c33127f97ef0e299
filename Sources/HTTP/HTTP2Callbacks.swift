// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

/// The way from the library's callbacks to the session. Nothing is decided here.
enum HTTP2Callbacks {
    static var deferred: Int { Int(NGHTTP2_ERR_DEFERRED.rawValue) }

    static func bind(_ session: OpaquePointer, to owner: HTTP2Session) {
        unsafe nghttp2_session_set_user_data(session, Unmanaged.passUnretained(owner).toOpaque())
    }

    /// Who gives the bytes of a stream.
    static func provider(of record: UnsafeMutablePointer<HTTP2StreamRecord>) -> nghttp2_data_provider {
        unsafe nghttp2_data_provider(
            source: nghttp2_data_source(ptr: record),
            read_callback: { _, _, _, length, flags, source, data in
                guard let flags = unsafe flags,
                    let record = unsafe source?.pointee.ptr?.assumingMemoryBound(to: HTTP2StreamRecord.self)
                else { return Int(failure) }
                return unsafe owner(data, Int(failure)) { unsafe $0.readData(record, length, flags) }
            })
    }

    static func install(in callbacks: OpaquePointer?) {
        unsafe installInput(callbacks)
        unsafe installOutput(callbacks)
    }

    private static func installInput(_ callbacks: OpaquePointer?) {
        unsafe nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, header, data in
            guard let header = unsafe header else { return failure }
            return unsafe owner(data, failure) { unsafe $0.frameBegins(header.pointee) }
        }
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, data in
            guard let frame = unsafe frame else { return failure }
            return unsafe owner(data, failure) { unsafe $0.frameReceived(frame) }
        }
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, bytes, count, data in
            let bytes = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
            return unsafe owner(data, failure) { unsafe $0.dataReceived(stream, bytes) }
        }
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, data in
            guard let frame = unsafe frame else { return failure }
            return unsafe owner(data, failure) { unsafe $0.headersBegin(frame) }
        }
        unsafe nghttp2_session_callbacks_set_on_header_callback2(callbacks) { _, _, name, value, _, data in
            let (name, value) = unsafe (nghttp2_rcbuf_get_buf(name), nghttp2_rcbuf_get_buf(value))
            return unsafe owner(data, failure) { unsafe $0.headerReceived(name, value) }
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, error, data in
            unsafe owner(data, failure) { $0.streamClosed(stream, error) }
        }
    }

    private static func installOutput(_ callbacks: OpaquePointer?) {
        unsafe nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks) {
            _, _, _, session, stream, limit, data in
            unsafe owner(data, Int(failure)) {
                $0.payloadLength(sessionWindow: session, streamWindow: stream, frameLimit: limit)
            }
        }
        unsafe nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, frame, header, length, _, data in
            guard let frame = unsafe frame, let header = unsafe header, unsafe frame.pointee.data.padlen == 0 else {
                return failure
            }
            return unsafe owner(data, failure) { unsafe $0.sendData(header, length) }
        }
        unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, data in
            guard let frame = unsafe frame else { return failure }
            return unsafe owner(data, failure) { unsafe $0.frameSent(frame) }
        }
    }
}

private var failure: Int32 { NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }

/// The session that the library's user data names. It isn't retained: it outlives the library's object, which it owns.
private func owner<Result>(_ data: UnsafeMutableRawPointer?, _ otherwise: Result, _ body: (HTTP2Session) -> Result) -> Result {
    guard let data = unsafe data else { return otherwise }
    return unsafe Unmanaged<HTTP2Session>.fromOpaque(data)._withUnsafeGuaranteedRef { body($0) }
}
