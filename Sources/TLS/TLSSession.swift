// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import COpenSSL

/// How far a handshake is.
package enum HandshakeProgress: Sendable {
    /// Send what is pending, feed what arrives, call again.
    case wantsBytes
    case complete(peer: PeerCertificate)
    /// Send what is pending, which may be an alert, and hang up.
    case failed(TLSFailure)
}

/// How far the handshake of a service or of its caller is.
package enum ServiceHandshake: Sendable {
    /// Send what is pending, feed what arrives, call again.
    case wantsBytes
    case complete
    /// Send what is pending, which may be an alert, and hang up.
    case failed(TLSFailure)
}

/// What `read` did.
package enum TLSTransfer: Sendable {
    /// So many bytes were decrypted. Call again until it says something else.
    case moved(Int)
    /// All that was fed is consumed.
    case wouldBlock
    /// The peer sent close_notify: nothing more comes, and what came is all.
    case closed
    /// Send what is pending, which may be an alert, and hang up.
    case failed(TLSFailure)
}

/// One end of a TLS connection: ciphertext in by `feed`, ciphertext out in `output`, plaintext by `read` and `write`.
///
/// One owner, one thread. It knows no descriptor. Input is lent, not copied: after `feed` the owner calls `handshake` or `read` until it wants
/// more, and only then uses the region for something else; feeding earlier traps. What is pending in `output` is to be sent after each call that
/// isn't `feed`. A failure is final, and the same failure is given to every later call. Letting go of the session frees it.
///
///     handshaking ──► open ──► closed by the peer (reading) ∥ shut down by us (writing)
///          └────failed──┴──failed──►
@safe package final class TLSSession {
    enum Phase {
        /// From the start until both Finished messages passed.
        case handshaking
        /// The peer is verified.
        case open
        /// Nothing works any more. OpenSSL isn't called again.
        case failed(TLSFailure)
    }

    /// What the session was made from; kept alive by it.
    package let context: TLSContext
    /// Ciphertext for the peer.
    package let output: OutputBuffer
    /// The verified peer, as soon as the handshake is complete.
    package var verifiedPeer: PeerCertificate? {
        if case .open = phase { peer } else { nil }
    }
    /// How much plaintext passed, in bytes.
    package internal(set) var bytesRead: UInt64 = 0
    package internal(set) var bytesWritten: UInt64 = 0

    /// How many records are encrypted with one key before it is renewed.
    package var recordsPerKey = SessionBounds.recordsPerKey

    /// Whom a client accepts. A server accepts whoever is of its trust domains; policy decides later.
    let expected: Set<SPIFFEID>
    /// The time for certificates in Unix seconds; nil for the wall clock.
    let now: Int64?
    let ssl: OpaquePointer
    var phase = Phase.handshaking
    /// From the verification callback: of a tunnel's end, or of another peer, leaf first.
    var peer: PeerCertificate?
    var peerCertificates: [Certificate] = []
    /// Or why there is none.
    var verdict: TLSFailure?
    /// What was lent and isn't consumed.
    var input = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    /// OpenSSL asked for more than was fed: asking it again is of no use.
    var isStarved = false
    var isReadClosed = false
    var isWriteClosed = false
    var bounds = SessionBounds()

    /// A server's end, for one connection that was accepted.
    package convenience init(accepting context: TLSContext, now: Int64? = nil, memory: OutputMemory? = nil) {
        precondition(context.role == .server, "a client's context can't accept")
        self.init(context, expected: [], now: now, memory: memory)
    }

    /// A client's end. The peer must have one of the identities; where none is expected nobody is trusted, and the handshake fails before a
    /// byte is sent.
    package convenience init(
        connecting context: TLSContext, expecting identities: Set<SPIFFEID>, now: Int64? = nil, memory: OutputMemory? = nil
    ) {
        precondition(context.role == .client, "a server's context can't connect")
        self.init(context, expected: identities, now: now, memory: memory)
        if identities.isEmpty { phase = .failed(.noExpectedIdentity) }
    }

    /// The end of whoever calls a service: the context says whom it expects.
    package convenience init(calling context: TLSContext, now: Int64? = nil) {
        precondition(context.role == .client, "a server's context can't connect")
        self.init(context, expected: [], now: now, memory: nil)
        // SNI is for names alone (RFC 6066 §3).
        if case .caller(.host(let name), _) = context.rules, IPAddress(name) == nil {
            unsafe require(copenssl_ssl_set_host_name(ssl, name), "no memory for a name")
        }
    }

    private init(_ context: TLSContext, expected: Set<SPIFFEID>, now: Int64?, memory: OutputMemory?) {
        self.context = context
        self.expected = expected
        self.now = now
        output = OutputBuffer(memory: memory)
        unsafe ssl = unwrap(SSL_new(context.handle), "no memory for a session")
        let bio = unsafe SessionBIO.make(for: self)
        unsafe SSL_set_bio(ssl, bio, bio)
        unsafe require(copenssl_ssl_set_app_data(ssl, Unmanaged.passUnretained(self).toOpaque()), "no memory for a session")
        switch context.role {
        case .client: unsafe SSL_set_connect_state(ssl)
        case .server: unsafe SSL_set_accept_state(ssl)
        }
    }

    deinit { unsafe SSL_free(ssl) }

    /// The session that OpenSSL calls back for.
    static func owner(of ssl: OpaquePointer?) -> TLSSession? {
        guard let data = unsafe copenssl_ssl_app_data(ssl) else { return nil }
        return unsafe Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
    }
}

// MARK: - Input

extension TLSSession {
    /// Lends received bytes until `handshake` or `read` wants more. After a failure or the peer's close_notify they are ignored.
    package func feed(_ ciphertext: UnsafeRawBufferPointer) {
        precondition(unsafe input.isEmpty, "fed before the last input was consumed")
        guard !isReadClosed else { return }
        if case .failed = phase { return }
        unsafe input = ciphertext
        isStarved = ciphertext.count == 0
    }

    /// The connection ended. Nil if the peer said so by close_notify before; otherwise what came may not be all (I12).
    package func inputEnded() -> TLSFailure? {
        switch phase {
        case .failed(let failure): failure
        case .handshaking: fail(.closedInHandshake)
        case .open: isReadClosed ? nil : fail(.truncated)
        }
    }

    /// For the BIO: gives OpenSSL as much as it asks for and there is.
    func takeInput(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let count = unsafe min(target.count, input.count)
        guard count > 0, !bounds.isExceeded else { return 0 }
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<count]))
        unsafe input = UnsafeRawBufferPointer(rebasing: input[count...])
        if case .handshaking = phase { bounds.receivedInHandshake(count) }
        return count
    }

    /// From OpenSSL, for each step of a handshake and each message of the kind after it; never for application data.
    static func noteProgress(of ssl: OpaquePointer?, _ event: Int32) {
        guard event & SSL_CB_LOOP != 0, let session = unsafe owner(of: ssl), case .open = session.phase else { return }
        session.bounds.messageAfterHandshake(bytesRead: session.bytesRead)
    }
}
