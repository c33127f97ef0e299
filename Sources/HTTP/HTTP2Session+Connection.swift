// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

/// How far a session is with saying goodbye.
///
///     open ──goAway (server)──► announced ──ping answered──► left
///       └────goAway (client), lastStreamID──────────────────►
enum HTTP2Drain {
    case open
    /// The peer was told that we leave, with the highest stream there can be; what it opened before it read that is still taken.
    case announced
    /// The last GOAWAY is queued.
    case left
}

extension HTTP2Session {
    /// The payload of the PING behind our first GOAWAY; never told to the delegate.
    static let drainMark: UInt64 = 0x7761_7272_656e_2121

    /// Asks the peer whether it is there; the delegate hears the answer.
    package func ping(_ payload: UInt64) {
        precondition(payload != Self.drainMark, "this payload is the session's own")
        submitPing(payload)
    }

    /// Leaves in peace: open streams go on, and `isFinished` tells when the last is done.
    ///
    /// A server says so in two steps (RFC 9113 §6.8): GOAWAY with the highest stream and a PING, then, when that is answered or
    /// `finishDrain` is called, GOAWAY with the last stream that it took. So no request is lost that was under way.
    package func goAway() {
        guard drain == .open, failure == nil else { return }
        switch role {
        case .client:
            drain = .announced
            _ = finishDrain()
        case .server:
            drain = .announced
            unsafe nghttp2_submit_shutdown_notice(session)
            submitPing(Self.drainMark)
        }
    }

    /// The second step of `goAway`, for a peer that doesn't answer in time. False if that isn't where we are.
    @discardableResult
    package func finishDrain() -> Bool {
        guard drain == .announced else { return false }
        drain = .left
        unsafe nghttp2_submit_goaway(session, 0, lastStreamID, HTTP2Code.noError, nil, 0)
        return true
    }

    /// Leaves at once: GOAWAY with this code is the last thing that `produce` gives. Streams that are open are then abandoned by the owner.
    package func terminate(_ code: UInt32) {
        drain = .left
        unsafe nghttp2_session_terminate_session(session, code)
    }

    private func submitPing(_ payload: UInt64) {
        unsafe withUnsafeBytes(of: payload.bigEndian) { bytes in
            _ = unsafe nghttp2_submit_ping(session, 0, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        }
    }
}

// MARK: - What stands

extension HTTP2Session {
    /// `produce` has something to give.
    package var wantsWrite: Bool { unsafe !isTerminated && nghttp2_session_want_write(session) != 0 }

    /// Bytes of the peer are still of use.
    package var wantsRead: Bool { unsafe failure == nil && !isTerminated && nghttp2_session_want_read(session) != 0 }

    /// Nothing is left to say or to hear: the connection is to be closed.
    package var isFinished: Bool { !wantsRead && !wantsWrite }

    /// How many streams are open, refused ones that still wait for their RST_STREAM included.
    package var openStreamCount: Int { streams.count }

    /// A request would be sent at once: the peer isn't leaving, allows one more stream, and identifiers are left.
    package var canOpenStream: Bool {
        unsafe role == .client && drain == .open && !peerIsLeaving && failure == nil && !isTerminated
            && streams.count < peerMaxConcurrentStreams && nghttp2_session_check_request_allowed(session) != 0
    }

    /// How many streams the peer lets us open: 100 until its settings come.
    package var peerMaxConcurrentStreams: Int {
        Int(unsafe nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    /// The largest frame that the peer takes.
    package var peerMaxFrameSize: Int {
        Int(unsafe nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_FRAME_SIZE))
    }

    /// How many bytes the peer takes ahead on a new stream.
    package var peerInitialStreamWindow: Int {
        Int(unsafe nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE))
    }

    /// How many bytes the peer takes now on the whole connection.
    package var peerConnectionWindow: Int { Int(unsafe nghttp2_session_get_remote_window_size(session)) }

    /// The last stream of the peer that was taken.
    package var lastStreamID: Int32 { unsafe nghttp2_session_get_last_proc_stream_id(session) }
}
