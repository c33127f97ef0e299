// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

extension HTTP2Session {
    /// Writes what there is to send into the stage and hands it to the sink, as often as the stage fills and once at the end.
    ///
    /// Application bytes are read straight into the stage, behind the place of their frame header. The stage is scratch of the caller: a
    /// multiple of 16,384 bytes, nothing of it in use before or after. Streams take turns, a frame each; `budget` bounds what one call gives,
    /// so that a bulk tunnel leaves time for the others.
    package func produce<Sink: HTTP2Sink>(
        stage: UnsafeMutableRawBufferPointer, budget: Int = 1 << 20, sink: inout Sink
    ) -> HTTP2Production {
        precondition(stage.count > 0 && stage.count.isMultiple(of: HTTP2Output.record), "a stage of broken records")
        unsafe output = HTTP2Output(stage: stage, budget: budget)
        let end = run { produce(&sink) }
        unsafe output.stage = nil
        return end
    }

    private func produce<Sink: HTTP2Sink>(_ sink: inout Sink) -> HTTP2Production {
        while !isTerminated {
            output.isPaused = false
            var bytes: UnsafePointer<UInt8>?
            let count = unsafe nghttp2_session_mem_send(session, &bytes)
            if count < 0 {
                note(.library(code: count, detail: Self.libraryText(Int32(clamping: count))))
                isTerminated = true
            } else if count > 0 {
                unsafe copy(UnsafeRawBufferPointer(start: bytes, count: count), &sink)
            } else if !output.isPaused {
                break
            }
            if output.isFull, !flush(&sink) { return .blocked }
            if output.produced >= output.budget {
                return flush(&sink) ? (wantsWrite ? .more : .idle) : .blocked
            }
        }
        return flush(&sink) || !wantsWrite ? .idle : .blocked
    }

    /// A frame that the library wrote: short as a rule, but a header block may be longer than the stage has room. It isn't cut off half way,
    /// so the sink's "no more" waits for its end.
    private func copy<Sink: HTTP2Sink>(_ bytes: UnsafeRawBufferPointer, _ sink: inout Sink) {
        var rest = unsafe bytes
        while unsafe !rest.isEmpty {
            if output.room == 0 { _ = flush(&sink) }
            guard let stage = unsafe output.stage else { return }
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest.prefix(output.room))
            unsafe UnsafeMutableRawBufferPointer(rebasing: stage[output.position...]).copyMemory(from: part)
            advance(part.count)
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
        }
    }

    /// Hands the stage on, if anything is in it.
    private func flush<Sink: HTTP2Sink>(_ sink: inout Sink) -> Bool {
        guard output.position > 0, let stage = unsafe output.stage else { return true }
        let filled = unsafe UnsafeRawBufferPointer(rebasing: stage[..<output.position])
        output.position = 0
        return unsafe sink.take(filled)
    }

    private func advance(_ count: Int) {
        output.position += count
        output.produced += count
    }
}

// MARK: - DATA frames, called by the library

extension HTTP2Session {
    /// How long a DATA frame may become, before the application is asked. Never 0, which the library takes for an error.
    func payloadLength(sessionWindow: Int32, streamWindow: Int32, frameLimit: UInt32) -> Int {
        guard !output.isFull, let stage = unsafe output.stage else { return 1 }
        return HTTP2Output.payload(
            position: output.position, stage: stage.count, frameLimit: Int(frameLimit),
            window: Int(min(sessionWindow, streamWindow)))
    }

    /// Asks the application for the payload of a frame, into the stage. The length, or one of the library's codes.
    func readData(
        _ record: UnsafeMutablePointer<HTTP2StreamRecord>, _ most: Int, _ flags: UnsafeMutablePointer<UInt32>
    ) -> Int {
        guard !output.isFull, !isTerminated, let stage = unsafe output.stage else { return pause() }
        if unsafe record.pointee.isConnect && !record.pointee.isAccepted { return HTTP2Callbacks.deferred }
        let start = output.position + HTTP2Output.frameHeader
        let place = unsafe UnsafeMutableRawBufferPointer(rebasing: stage[start..<start + most])
        let stream = unsafe record.pointee.id
        unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        switch unsafe delegate.readData(record.pointee.context, stream, into: place) {
        case .bytes(let count):
            precondition(count > 0 && count <= most, "more bytes than asked for, or none")
            return count
        case .bytesAndEnd(let count):
            precondition(count > 0 && count <= most, "more bytes than asked for, or none")
            unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            return count
        case .end:
            unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            return 0
        case .trailers(let headers):
            guard submitTrailers(stream, headers) else { return HTTP2Callbacks.deferred }
            unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
            return 0
        case .nothing:
            return HTTP2Callbacks.deferred
        case .reset(let code):
            reset(stream, code)
            return HTTP2Callbacks.deferred
        }
    }

    /// The frame is decided: its header goes in front of the payload that lies in the stage already.
    func sendData(_ header: UnsafePointer<UInt8>, _ length: Int) -> Int32 {
        guard let stage = unsafe output.stage else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        let place = unsafe UnsafeMutableRawBufferPointer(rebasing: stage[output.position...])
        unsafe place.copyMemory(from: UnsafeRawBufferPointer(start: header, count: HTTP2Output.frameHeader))
        advance(HTTP2Output.frameHeader + length)
        allowances.windowUpdates.earn(HTTP2Limits.windowUpdatesEarned(length))
        guard output.isFull || output.produced >= output.budget else { return 0 }
        return Int32(pause())
    }

    /// Without a pause the library would go on to the next frame, and the stage is full.
    private func pause() -> Int {
        output.isPaused = true
        return Int(NGHTTP2_ERR_PAUSE.rawValue)
    }

    /// A frame is on its way: our last one, perhaps.
    func frameSent(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let header = unsafe frame.pointee.hd
        switch nghttp2_frame_type(UInt32(header.type)) {
        case NGHTTP2_GOAWAY: unsafe goAwaySent(frame.pointee.goaway)
        case NGHTTP2_HEADERS where header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            NGHTTP2_DATA where header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0:
            answerSent(header.stream_id)
        case NGHTTP2_RST_STREAM: resetSent(header.stream_id)
        default: break
        }
        return 0
    }

    /// A reset that is none of ours is the library's answer to a peer that broke a rule, or that opens more streams than it may.
    private func resetSent(_ stream: Int32) {
        if let record = unsafe record(stream), unsafe record.pointee.isReset { return }
        countViolation()
    }

    /// A GOAWAY with an error is the last frame, whoever decided on it; the library says in its detail why it did.
    private func goAwaySent(_ frame: nghttp2_goaway) {
        isTerminated = unsafe nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
        let code = unsafe frame.error_code
        guard code != HTTP2Code.noError, drain != .left else { return }
        let detail = unsafe String(
            decoding: UnsafeRawBufferPointer(start: frame.opaque_data, count: frame.opaque_data_len), as: UTF8.self)
        note(.protocolViolation(code: code, detail: detail))
    }

    /// An answer is complete. What the client still sends has no use: its half is closed, too (RFC 9113 §8.1). An accepted CONNECT is no
    /// answer: its halves end by themselves.
    private func answerSent(_ stream: Int32) {
        guard role == .server, let record = unsafe record(stream) else { return }
        let isTunnel = unsafe record.pointee.isConnect && record.pointee.isAccepted
        if !isTunnel, unsafe nghttp2_session_get_stream_remote_close(session, stream) == 0 { reset(stream, HTTP2Code.noError) }
    }
}
