// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

extension TLSSession {
    /// Decrypts into the buffer, as much as it takes and the input has. Only after the handshake.
    package func read(into buffer: UnsafeMutableRawBufferPointer) -> TLSTransfer {
        switch phase {
        case .failed(let failure): return .failed(failure)
        case .handshaking: preconditionFailure("read before the handshake was complete")
        case .open: break
        }
        precondition(buffer.count > 0, "read into nothing")
        guard !isReadClosed else { return .closed }
        guard !isStarved else { return .wouldBlock }
        OpenSSLErrors.clear()
        var filled = 0
        while filled < buffer.count {
            var count = 0
            let result = unsafe SSL_read_ex(ssl, buffer.baseAddress?.advanced(by: filled), buffer.count - filled, &count)
            guard result == 1 else {
                stopReading(result)
                break
            }
            filled += count
        }
        bytesRead &+= UInt64(filled)
        return filled > 0 ? .moved(filled) : whyNothingWasRead
    }

    private func stopReading(_ result: Int32) {
        if bounds.isExceeded {
            fail(.tooMuch(what: "messages after the handshake"))
            return
        }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: starve()
        case SSL_ERROR_ZERO_RETURN:
            // RFC 8446 §6.1: what comes behind is ignored.
            unsafe input = UnsafeRawBufferPointer(start: nil, count: 0)
            isReadClosed = true
        default: fail(TLSFailure.takeFromQueue())
        }
    }

    private var whyNothingWasRead: TLSTransfer {
        switch phase {
        case .failed(let failure): .failed(failure)
        case .handshaking, .open: isReadClosed ? .closed : .wouldBlock
        }
    }

    /// Encrypts everything, in records of 16 KiB, to the end of `output`. Only after the handshake and before `shutdown`. The owner bounds what
    /// it writes by `output.pendingCount`.
    package func write(_ plaintext: UnsafeRawBufferPointer) -> TLSFailure? {
        switch phase {
        case .failed(let failure): return failure
        case .handshaking: preconditionFailure("write before the handshake was complete")
        case .open: break
        }
        precondition(!isWriteClosed, "write after shutdown")
        guard plaintext.count > 0 else { return nil }
        OpenSSLErrors.clear()
        if let failure = renewKeysIfDue(plaintext.count) { return failure }
        output.reserve(SessionBounds.ciphertext(of: plaintext.count))
        var written = 0
        let result = unsafe SSL_write_ex(ssl, plaintext.baseAddress, plaintext.count, &written)
        guard result == 1 else { return failedWrite() }
        precondition(written == plaintext.count, "OpenSSL wrote a part")
        bytesWritten &+= UInt64(written)
        return nil
    }

    /// Sends close_notify: the peer then knows that nothing is missing. Reading goes on. Does nothing during the handshake and after a failure.
    package func shutdown() {
        guard case .open = phase, !isWriteClosed else { return }
        isWriteClosed = true
        OpenSSLErrors.clear()
        unsafe SSL_shutdown(ssl)
        OpenSSLErrors.clear()
    }

    private func renewKeysIfDue(_ count: Int) -> TLSFailure? {
        guard bounds.writing(count, recordsPerKey: recordsPerKey) else { return nil }
        return unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 ? nil : failedWrite()
    }

    /// Output always has room, so only a peer can stand in the way: OpenSSL writes nothing while a message after the handshake, which no good peer
    /// cuts in pieces, is half received.
    private func failedWrite() -> TLSFailure {
        guard let code = OpenSSLErrors.first, copenssl_error_reason(code) != SSL_R_STILL_IN_INIT else {
            return fail(.protocolViolation(why: "a message after the handshake came in pieces"))
        }
        return fail(TLSFailure.takeFromQueue())
    }
}
