// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

/// One end of an HTTP/2 connection: bytes in by `receive`, bytes out by `produce`, everything else through the delegate.
///
/// It has one owner, who also is or outlives the delegate, and is used on one thread. It knows no descriptor, no TLS and no clock. It
/// ends when `isFinished` says so: the owner then closes the connection. When the connection is lost first, the owner calls
/// `abandonStreams`. Letting go of the session frees it.
///
///     peer ─bytes─► receive ─┬─► delegate (requestReceived, dataReceived, endReceived, streamClosed …)
///                            └─► answers wait inside
///     delegate.readData ──► produce ──stage──► sink ─bytes─► peer
@safe package final class HTTP2Session {
    package let role: HTTP2Role
    package let settings: HTTP2Settings
    /// Why the session ended, if it wasn't asked to. Set by `receive` at the latest for what we count ourselves, and by `produce` for
    /// what the library answers with GOAWAY.
    package private(set) var failure: HTTP2Failure?

    let session: OpaquePointer
    var streams = HTTP2StreamList()
    /// The block that is being decoded.
    var block: HTTP2HeaderBlock?
    /// How many bytes and CONTINUATION frames the block has had.
    var blockLength = 0
    var blockContinuations = 0
    /// The DATA frame that is being received had a byte.
    var sawData = false
    var allowances: HTTP2Allowances
    var output = HTTP2Output()
    var drain = HTTP2Drain.open
    /// The peer sent GOAWAY.
    var peerIsLeaving = false
    /// Our last GOAWAY was produced, or the connection is lost: nothing follows, nothing more is heard.
    var isTerminated = false
    private var isRunning = false
    private unowned(unsafe) var listener: (any HTTP2SessionDelegate)?

    /// New requests are refused by REFUSED_STREAM, unseen by the delegate: the client may repeat them elsewhere. Servers only.
    package var refusesStreams = false

    /// A session with its settings queued; the client's preface too. The delegate must be attached before the first call of `receive` or
    /// `produce`.
    package init(_ role: HTTP2Role, settings: HTTP2Settings? = nil) {
        self.role = role
        self.settings = settings ?? HTTP2Settings(role)
        allowances = HTTP2Allowances(self.settings.limits)
        var session: OpaquePointer?
        unsafe Self.makeSession(role, self.settings, &session)
        guard let session = unsafe session else { preconditionFailure("no memory for an HTTP/2 session") }
        unsafe self.session = session
        unsafe HTTP2Callbacks.bind(session, to: self)
        submitSettings()
    }

    deinit { unsafe nghttp2_session_del(session) }

    /// Whom events are told. Not retained: the delegate outlives the session or attaches another.
    package func attach(_ delegate: any HTTP2SessionDelegate) { unsafe listener = delegate }

    var delegate: any HTTP2SessionDelegate {
        guard let listener = unsafe listener else { preconditionFailure("an HTTP/2 session without a delegate") }
        return listener
    }

    /// Runs `receive` or `produce`: never one inside the other, and the session lives until it is done.
    func run<Result>(_ body: () -> Result) -> Result {
        precondition(!isRunning, "an HTTP/2 session was entered from its own delegate")
        isRunning = true
        defer { isRunning = false }
        return withExtendedLifetime(self) { body() }
    }

    /// Ends the session for this reason: what is queued before the GOAWAY still leaves, nothing more is parsed.
    func fail(_ reason: HTTP2Failure, code: UInt32) {
        guard failure == nil else { return }
        failure = reason
        unsafe nghttp2_session_terminate_session(session, code)
    }

    /// The library ended the session on its own.
    func note(_ reason: HTTP2Failure) {
        if failure == nil { failure = reason }
    }
}

// MARK: - Making one

extension HTTP2Session {
    private static func makeSession(_ role: HTTP2Role, _ settings: HTTP2Settings, _ session: inout OpaquePointer?) {
        var option: OpaquePointer?
        var callbacks: OpaquePointer?
        defer {
            unsafe nghttp2_option_del(option)
            unsafe nghttp2_session_callbacks_del(callbacks)
        }
        guard unsafe nghttp2_option_new(&option) == 0, unsafe nghttp2_session_callbacks_new(&callbacks) == 0 else { return }
        unsafe setOptions(option, role, settings)
        unsafe HTTP2Callbacks.install(in: callbacks)
        switch role {
        case .client: _ = unsafe nghttp2_session_client_new2(&session, callbacks, nil, option)
        case .server: _ = unsafe nghttp2_session_server_new2(&session, callbacks, nil, option)
        }
    }

    private static func setOptions(_ option: OpaquePointer?, _ role: HTTP2Role, _ settings: HTTP2Settings) {
        // Credit goes back when an application took the bytes, not when they arrived.
        unsafe nghttp2_option_set_no_auto_window_update(option, 1)
        // A server session would keep every stream it ever had, for priorities that nobody uses.
        unsafe nghttp2_option_set_no_closed_streams(option, 1)
        // What a client assumes before the peer's SETTINGS came (RFC 9113 §6.5.2 recommends no less).
        unsafe nghttp2_option_set_peer_max_concurrent_streams(option, 100)
        // Acknowledgements that wait because the peer doesn't read, and entries of one SETTINGS frame (CVE-2020-11080).
        unsafe nghttp2_option_set_max_outbound_ack(option, 1000)
        unsafe nghttp2_option_set_max_settings(option, 32)
        // The library's own limit counts every RST_STREAM, and a busy tunnel has many: each reset application is one. Ours counts
        // those of unanswered requests.
        unsafe nghttp2_option_set_stream_reset_rate_limit(option, 1 << 40, 1 << 30)
        // The library counts a CONTINUATION once for each piece in which its nine bytes arrive (nghttp2#2817). We count frames.
        let pieces = 9 * (settings.limits.continuations + 1)
        unsafe nghttp2_option_set_max_continuations(option, pieces)
        // See HTTP2HeaderBlock. As a client all of the library's checks hold.
        if role == .server { unsafe nghttp2_option_set_no_http_messaging(option, 1) }
    }

    private func submitSettings() {
        typealias Entry = nghttp2_settings_entry
        var entries = [
            Entry(settings_id: CInt(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: settings.initialStreamWindow),
            Entry(settings_id: CInt(NGHTTP2_SETTINGS_MAX_FRAME_SIZE.rawValue), value: settings.maxFrameSize),
            Entry(settings_id: CInt(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: settings.maxHeaderListSize),
        ]
        switch role {
        case .client: entries.append(Entry(settings_id: CInt(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
        case .server:
            let limit = settings.maxConcurrentStreams
            entries.append(Entry(settings_id: CInt(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: limit))
        }
        let submitted = unsafe nghttp2_submit_settings(session, 0, entries, entries.count)
        precondition(submitted == 0, "HTTP/2 settings that the library doesn't take")
        let window = Int32(clamping: settings.connectionWindow)
        unsafe nghttp2_session_set_local_window_size(session, 0, 0, window)
    }
}
