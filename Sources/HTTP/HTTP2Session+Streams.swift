// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

extension HTTP2Session {
    /// Client: opens a stream. Nil if none may be opened now: see `canOpenStream`.
    ///
    /// A request other than CONNECT has its body read by `readData` right away unless `endStream` says that it has none. A CONNECT isn't
    /// asked for bytes before its 2xx answer came (I13).
    package func submitRequest(
        _ head: HTTP2RequestHead, context: UnsafeMutableRawPointer?, endStream: Bool = false
    ) -> Int32? {
        guard canOpenStream, let id = Int32(exactly: unsafe nghttp2_session_get_next_stream_id(session)) else { return nil }
        let record = unsafe streams.insert(HTTP2StreamRecord(id, context: context))
        unsafe record.pointee.isAnnounced = true
        unsafe record.pointee.isConnect = head.method == "CONNECT"
        let submitted = unsafe Self.withFields(Self.block(head)) { fields in
            var provider = unsafe HTTP2Callbacks.provider(of: record)
            return endStream
                ? unsafe nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, nil, record)
                : unsafe nghttp2_submit_request(session, nil, fields.baseAddress, fields.count, &provider, record)
        }
        guard submitted == id else {
            unsafe streams.remove(record)
            return nil
        }
        return id
    }

    /// Server: answers a request. The body (or the tunnel's bytes) is then asked for by `readData` unless `endStream` says that there is
    /// none. A CONNECT that is refused so is also closed towards the peer by RST_STREAM with NO_ERROR: its other half has no use.
    /// Answering a stream that is gone, or twice, does nothing.
    package func submitResponse(_ stream: Int32, status: Int, headers: HTTPHeaders = [:], endStream: Bool) {
        precondition((200...599).contains(status), "no final status")
        guard let record = unsafe record(stream), unsafe !record.pointee.isAnswered, unsafe !record.pointee.isReset else {
            return
        }
        unsafe record.pointee.isAnswered = true
        unsafe record.pointee.isAccepted = status < 300
        if status < 300 { allowances.resets.earn(1) }
        var block = HTTPHeaders()
        block.reserve(fields: headers.count + 1, bytes: headers.byteCount + Self.pseudoNames)
        block.append(":status", "\(status)")
        block.append(contentsOf: headers)
        let submitted = unsafe Self.withFields(block) { fields in
            var provider = unsafe HTTP2Callbacks.provider(of: record)
            return endStream
                ? unsafe nghttp2_submit_response(session, stream, fields.baseAddress, fields.count, nil)
                : unsafe nghttp2_submit_response(session, stream, fields.baseAddress, fields.count, &provider)
        }
        if submitted != 0 {
            fail(.library(code: Int(submitted), detail: Self.libraryText(submitted)), code: HTTP2Code.internalError)
        }
    }

    /// The fields behind a body, which end the stream. False if the library has no memory: the session ends then.
    func submitTrailers(_ stream: Int32, _ headers: HTTPHeaders) -> Bool {
        let submitted = unsafe Self.withFields(headers) { fields in
            unsafe nghttp2_submit_trailer(session, stream, fields.baseAddress, fields.count)
        }
        if submitted != 0 {
            fail(.library(code: Int(submitted), detail: Self.libraryText(submitted)), code: HTTP2Code.internalError)
        }
        return submitted == 0
    }

    /// The application has bytes again, or its end: `readData` is asked in the next `produce`. Harmless if the stream wasn't waiting.
    package func resume(_ stream: Int32) { unsafe nghttp2_session_resume_data(session, stream) }

    /// Ends a stream by RST_STREAM. Its last event, `streamClosed`, comes out of the `produce` that sends it. Harmless on a stream that is
    /// gone.
    package func reset(_ stream: Int32, _ code: UInt32) {
        guard let record = unsafe record(stream), unsafe !record.pointee.isReset else { return }
        unsafe record.pointee.isReset = true
        unsafe nghttp2_submit_rst_stream(session, 0, stream, code)
    }

    /// The application took this many bytes of the stream: the peer may send as many again.
    package func consume(_ stream: Int32, _ bytes: Int) {
        precondition(bytes >= 0, "a negative count of bytes")
        unsafe nghttp2_session_consume_stream(session, stream, bytes)
    }

    /// The stream is known, and nobody has reset it.
    package func isOpen(_ stream: Int32) -> Bool {
        guard let record = unsafe record(stream) else { return false }
        return unsafe !record.pointee.isReset
    }

    /// We ended our half of the stream, or it is gone.
    package func hasSentEnd(_ stream: Int32) -> Bool { unsafe nghttp2_session_get_stream_local_close(session, stream) != 0 }

    /// The pointer that comes with each event of the stream from now on.
    package func setContext(_ stream: Int32, _ context: UnsafeMutableRawPointer?) {
        if let record = unsafe record(stream) { unsafe record.pointee.context = context }
    }

    /// Lets the peer send up to this many bytes ahead of the application. What it was allowed already it may still send: a window shrinks while it is
    /// used, and where the application stops meanwhile as much may be unread as before.
    package func setStreamWindow(_ stream: Int32, to bytes: Int) {
        unsafe nghttp2_session_set_local_window_size(session, 0, stream, Int32(clamping: bytes))
    }

    /// How many bytes the peer may send ahead on this stream; 0 if it is gone.
    package func streamWindow(_ stream: Int32) -> Int {
        max(0, Int(unsafe nghttp2_session_get_stream_effective_local_window_size(session, stream)))
    }

    /// The connection is lost: every stream that the delegate knows is told as closed with this code, and forgotten. The session is of no
    /// use afterwards.
    package func abandonStreams(_ error: UInt32) {
        run {
            isTerminated = true
            while let record = unsafe streams.first {
                let (id, context) = unsafe (record.pointee.id, record.pointee.context)
                let isAnnounced = unsafe record.pointee.isAnnounced
                unsafe nghttp2_session_set_stream_user_data(session, id, nil)
                unsafe streams.remove(record)
                if isAnnounced { unsafe delegate.streamClosed(context, id, error) }
            }
        }
    }

    /// The library closed a stream, for whatever reason. It does so in `produce`, too, where a session that failed must still get its GOAWAY
    /// out: so this never stops the library, and a parser is stopped by the next frame.
    func streamClosed(_ stream: Int32, _ error: UInt32) -> Int32 {
        guard let record = unsafe record(stream) else { return 0 }
        let (context, isAnnounced) = unsafe (record.pointee.context, record.pointee.isAnnounced)
        unsafe nghttp2_session_set_stream_user_data(session, stream, nil)
        unsafe streams.remove(record)
        if isAnnounced { unsafe delegate.streamClosed(context, stream, error) }
        return 0
    }

    /// The record of a stream that is open. The library doesn't know a request before it is sent, so for that one we look ourselves.
    func record(_ stream: Int32) -> UnsafeMutablePointer<HTTP2StreamRecord>? {
        if let known = unsafe nghttp2_session_get_stream_user_data(session, stream) {
            return unsafe known.assumingMemoryBound(to: HTTP2StreamRecord.self)
        }
        return unsafe role == .client ? streams.find(stream) : nil
    }
}

// MARK: - Header blocks

extension HTTP2Session {
    /// The names `:method`, `:scheme`, `:authority` and `:path` together; `:status` with its number is less.
    private static let pseudoNames = 29

    private static func block(_ head: HTTP2RequestHead) -> HTTPHeaders {
        var block = HTTPHeaders()
        let texts = [head.method, head.scheme ?? "", head.authority, head.path ?? ""].reduce(0) { $0 + $1.utf8.count }
        block.reserve(fields: head.headers.count + 4, bytes: head.headers.byteCount + texts + pseudoNames)
        block.append(":method", head.method)
        if let scheme = head.scheme { block.append(":scheme", scheme) }
        block.append(":authority", head.authority)
        if let path = head.path { block.append(":path", path) }
        block.append(contentsOf: head.headers)
        return block
    }

    /// The fields as the library wants them, live during the call. It copies what it keeps.
    private static func withFields(_ headers: HTTPHeaders, _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Int32) -> Int32 {
        unsafe withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: headers.count) { fields in
            var count = 0
            unsafe headers.withFields { name, value in
                unsafe fields[count] = nghttp2_nv(
                    name: UnsafeMutablePointer(mutating: name.baseAddress),
                    value: UnsafeMutablePointer(mutating: value.baseAddress),
                    namelen: name.count, valuelen: value.count, flags: 0)
                count += 1
            }
            return unsafe body(fields)
        }
    }
}
