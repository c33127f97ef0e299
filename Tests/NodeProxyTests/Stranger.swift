// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import TLS

/// A peer with good papers that doesn't speak HTTP/2: it says a line of HTTP/1 and waits for the end.
final class Stranger {
    private let socket: Descriptor
    private let tls: TLSSession
    private var hasSpoken = false
    private(set) var isOver = false

    init(to address: SocketAddress, as credential: Credential) throws {
        let socket = try Socket.tcp(.v4)
        _ = try socket.connect(to: address)
        self.socket = socket
        tls = TLSSession(
            connecting: try TLSContext(role: .client, credential: credential), expecting: [try TestNode.identity("db")])
    }

    func step() {
        guard !isOver else { return }
        proceed()
        var bytes = [UInt8](repeating: 0, count: 16 * 1024)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            switch unsafe try? socket.receive(into: buffer) {
            case .moved(let count):
                unsafe tls.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                proceed()
            case .wouldBlock: break
            case .endOfStream, nil: isOver = true
            }
        }
    }

    private func proceed() {
        if case .complete = tls.handshake() {
            if !hasSpoken { _ = unsafe Array("GET / HTTP/1.1\r\n\r\n".utf8).withUnsafeBytes { unsafe tls.write($0) } }
            hasSpoken = true
            var bytes = [UInt8](repeating: 0, count: 16 * 1024)
            _ = unsafe bytes.withUnsafeMutableBytes { unsafe tls.read(into: $0) }
        }
        let sent = unsafe tls.output.withPending { unsafe try? socket.send($0) }
        if case .moved(let count)? = sent { tls.output.consume(count) }
    }
}
