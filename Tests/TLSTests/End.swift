// SPDX-License-Identifier: Apache-2.0

import Bytes
import TLS

/// One end of a connection without a network.
protocol End: AnyObject {
    /// Goes on as far as it can without further bytes.
    func proceed()
    /// Takes bytes from the other end, and goes on.
    func receive(_ bytes: [UInt8])
    /// What is to go to the other end.
    func takeOutput() -> [UInt8]
}

/// Carries bytes between two ends, at most `chunk` at a time, until both have nothing more to say.
func pump(_ a: any End, _ b: any End, chunk: Int = 64 * 1024) {
    a.proceed()
    b.proceed()
    while carry(from: a, to: b, chunk) || carry(from: b, to: a, chunk) {}
}

private func carry(from sender: any End, to receiver: any End, _ chunk: Int) -> Bool {
    var bytes = sender.takeOutput()[...]
    let isAny = !bytes.isEmpty
    while !bytes.isEmpty {
        receiver.receive(Array(bytes.prefix(chunk)))
        bytes = bytes.dropFirst(chunk)
    }
    return isAny
}

/// An end of ours: a session, what it decrypted, and how it stands.
final class OurEnd: End {
    let session: TLSSession
    private(set) var received: [UInt8] = []
    private(set) var peer: PeerCertificate?
    private(set) var failure: TLSFailure?
    private(set) var isClosed = false
    /// How much is decrypted per call.
    var bufferSize = 64 * 1024

    init(_ session: TLSSession) { self.session = session }

    func proceed() {
        if peer == nil, !shakeHands() { return }
        var buffer = [UInt8](repeating: 0, count: bufferSize)
        while true {
            switch unsafe buffer.withUnsafeMutableBytes({ unsafe session.read(into: $0) }) {
            case .moved(let count): received += buffer.prefix(count)
            case .wouldBlock: return
            case .closed:
                isClosed = true
                return
            case .failed(let failure):
                self.failure = failure
                return
            }
        }
    }

    private func shakeHands() -> Bool {
        switch session.handshake() {
        case .wantsBytes: return false
        case .complete(let peer):
            self.peer = peer
            return true
        case .failed(let failure):
            self.failure = failure
            return false
        }
    }

    func receive(_ bytes: [UInt8]) {
        // The copy lives until the session has consumed it.
        let copy = bytes
        unsafe copy.withUnsafeBytes {
            unsafe session.feed($0)
            proceed()
        }
    }

    func takeOutput() -> [UInt8] {
        let bytes = unsafe session.output.withPending { unsafe Array($0) }
        session.output.consume(bytes.count)
        return bytes
    }

    func write(_ bytes: [UInt8]) -> TLSFailure? { unsafe bytes.withUnsafeBytes { unsafe session.write($0) } }
}

/// Two ends of ours under one authority, after the handshake unless it failed.
struct Pair {
    let client: OurEnd
    let server: OurEnd

    init(_ authority: TestAuthority, chunk: Int = 64 * 1024, memory: OutputMemory? = nil) throws {
        let clientContext = try TLSContext(role: .client, credential: authority.credential("web"))
        let serverContext = try TLSContext(role: .server, credential: authority.credential("db"))
        client = OurEnd(
            TLSSession(
                connecting: clientContext, expecting: [try TestAuthority.identity("db")], now: TestAuthority.now, memory: memory))
        server = OurEnd(TLSSession(accepting: serverContext, now: TestAuthority.now, memory: memory))
        pump(client, server, chunk: chunk)
    }
}
