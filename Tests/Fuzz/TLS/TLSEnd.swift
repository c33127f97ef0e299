// SPDX-License-Identifier: Apache-2.0

import Kernel
import TLS

/// One of our sessions with its owner, who does everything in the order that `TLSSession` asks for, and holds it to its word: a failure is
/// final, and input is never lost.
final class TLSEnd {
    let session: TLSSession
    private(set) var peer: PeerCertificate?
    private(set) var failure: TLSFailure?
    private(set) var received: [UInt8] = []
    private(set) var isClosed = false
    /// That a failure stays is seen after a few.
    private var piecesAfterFailure = 0
    /// Small, so that a record takes several reads. One for all of them: a sanitizer makes allocations dear.
    private var buffer = [UInt8](repeating: 0, count: 700)

    init(_ session: TLSSession) { self.session = session }

    /// What there is to send now.
    func takeOutput() -> [UInt8] {
        let bytes = unsafe session.output.withPending { unsafe Array($0) }
        session.output.consume(bytes.count)
        return bytes
    }

    func receive(_ bytes: ArraySlice<UInt8>) {
        if failure != nil {
            piecesAfterFailure += 1
            guard piecesAfterFailure <= 4 else { return }
        }
        unsafe bytes.withUnsafeBytes { region in
            unsafe session.feed(region)
            proceed()
        }
    }

    /// As far as what was fed allows.
    func proceed() {
        if peer == nil, failure == nil {
            switch session.handshake() {
            case .wantsBytes: return
            case .complete(let peer): self.peer = peer
            case .failed(let failure): return fail(failure)
            }
        }
        while failure == nil {
            let transfer = unsafe buffer.withUnsafeMutableBytes { unsafe session.read(into: $0) }
            switch transfer {
            case .moved(let count):
                invariant(count > 0 && count <= buffer.count && !isClosed, "\(count) bytes were read")
                received += buffer.prefix(count)
            case .wouldBlock: return
            case .closed:
                isClosed = true
                return
            case .failed(let failure): fail(failure)
            }
        }
        checkFailure()
    }

    func write(_ bytes: [UInt8]) {
        guard peer != nil, failure == nil else { return }
        if let failure = unsafe bytes.withUnsafeBytes({ unsafe session.write($0) }) { fail(failure) }
    }

    private func fail(_ failure: TLSFailure) {
        self.failure = failure
        checkFailure()
    }

    /// The failure is given again, has words that fit one line, and isn't that bytes were lost.
    private func checkFailure() {
        guard let failure else { return }
        if case .failed(let again) = session.handshake() {
            invariant(again == failure, "\(failure) became \(again)")
        } else {
            bug("a handshake that failed goes on: \(failure)")
        }
        let text = failure.description
        invariant(!text.isEmpty && text.utf8.count < 4096, "a failure of \(text.utf8.count) bytes")
        invariant(
            text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) },
            "a failure in two lines: \(text)")
        if case .other(let why) = failure { invariant(!why.contains("left input unread"), "bytes were lost") }
        invariant(session.verifiedPeer == nil, "a peer is verified after \(failure)")
    }
}
