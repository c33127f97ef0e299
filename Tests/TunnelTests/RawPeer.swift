// SPDX-License-Identifier: Apache-2.0

import Kernel
import TLS

/// The other end of a tunnel in the hands of the test: good TLS, and of HTTP/2 exactly the frames that the test sends. It says its preface and
/// settings after the handshake, acknowledges settings and answers PINGs, unless it is told not to.
final class RawPeer {
    enum Role {
        case client
        case server
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// Frames that came, in order; of DATA only what fits a look.
    private(set) var frames: [Frame] = []
    /// How many bytes of DATA came.
    private(set) var dataReceived = 0
    private(set) var isSecured = false
    /// close_notify, or the end of TCP, or a failure: whatever came first.
    private(set) var end: String?
    /// What it says first.
    var greeting: [UInt8]
    var answersPings = true
    var acknowledgesSettings = true
    var isReading = true

    private let tls: TLSSession
    private var socket: Descriptor?
    private var received: [UInt8] = []
    private var hasGreeted = false

    init(_ role: Role, _ socket: consuming Descriptor, expecting account: String = "db") throws {
        let identities = try Identities.shared()
        tls = role == .client ? try identities.connecting(expecting: account) : identities.accepting()
        greeting = (role == .client ? Self.preface : []) + Frame.settings().bytes
        self.socket = consume socket
    }

    func send(_ frames: Frame...) { for frame in frames { send(frame.bytes) } }

    func send(_ bytes: [UInt8]) {
        _ = unsafe bytes.withUnsafeBytes { unsafe tls.write($0) }
        flush()
    }

    func frames(_ kind: Frame.Kind, stream: UInt32? = nil) -> [Frame] {
        frames.filter { $0.kind == kind && (stream == nil || $0.stream == stream) }
    }

    /// close_notify, as a peer does that ends in order.
    func closeNotify() {
        tls.shutdown()
        flush()
    }

    /// The end of TCP without a word of TLS.
    func endTCP() { socket?.shutdownWriting() }

    /// Bytes below TLS, as somebody on the path would put them there.
    func sendBelowTLS(_ bytes: [UInt8]) { _ = unsafe bytes.withUnsafeBytes { unsafe try? socket?.send($0) } }

    func resetTCP() {
        socket?.setResetOnClose(true)
        socket = nil
    }

    func close() { socket = nil }

    func step() {
        if !isSecured { proceed() }
        flush()
        guard isReading, end == nil else { return }
        unsafe withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            do throws(Errno) {
                switch try unsafe socket?.receive(into: buffer) {
                case .moved(let count):
                    unsafe tls.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    proceed()
                case .endOfStream: end = "end of TCP"
                case .wouldBlock, nil: break
                }
            } catch { end = "\(error)" }
        }
        flush()
    }

    private func proceed() {
        if !isSecured {
            switch tls.handshake() {
            case .wantsBytes: return
            case .failed(let failure):
                end = "\(failure)"
                return
            case .complete: isSecured = true
            }
        }
        if !hasGreeted {
            hasGreeted = true
            send(greeting)
        }
        decrypt()
    }

    private func decrypt() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            while true {
                switch unsafe tls.read(into: buffer) {
                case .moved(let count): unsafe received += UnsafeRawBufferPointer(rebasing: buffer[..<count])
                case .wouldBlock: return parse()
                case .closed:
                    parse()
                    end = end ?? "close_notify"
                    return
                case .failed(let failure):
                    end = "\(failure)"
                    return
                }
            }
        }
    }

    private func parse() {
        if received.starts(with: Self.preface) { received.removeFirst(Self.preface.count) }
        while let frame = Frame.take(from: &received) { took(frame) }
    }

    private func took(_ frame: Frame) {
        var kept = frame
        if frame.kind == .data {
            dataReceived += frame.payload.count
            kept.payload = Array(frame.payload.prefix(64))
        }
        frames.append(kept)
        guard frame.flags & Frame.acknowledged == 0 else { return }
        if frame.kind == .settings, acknowledgesSettings { send(Frame(.settings, flags: Frame.acknowledged)) }
        if frame.kind == .ping, answersPings { send(Frame(.ping, flags: Frame.acknowledged, frame.payload)) }
    }

    private func flush() {
        while tls.output.pendingCount > 0 {
            let sent: Int = unsafe tls.output.withPending { bytes in
                guard case .moved(let count)? = unsafe try? socket?.send(bytes) else { return 0 }
                return count
            }
            guard sent > 0 else { return }
            tls.output.consume(sent)
        }
    }
}
