// SPDX-License-Identifier: Apache-2.0

import HTTP
import Testing

/// Bytes come in pieces of any size, and hostile bytes at any place.
@Suite struct HTTP2ChunkTests {
    private static let conversation =
        Wire.hello([(4, 100_000)]) + Wire.connect(1, "10.0.0.2:80", [("baggage", "k8s.namespace.name=a")])
        + Wire.data(1, Array("hello".utf8)) + Wire.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8])
        + Wire.headers(3, [(":method", "CONNECT"), (":path", "/")]) + Wire.frame(.data, flags: Wire.padded, 1, [2, 33, 0, 0])
        + Wire.windowUpdate(1, 10) + Wire.connect(5, "") + Wire.reset(5, HTTP2Code.cancel) + Wire.data(1, [], end: true)

    private func served() -> SessionEnd {
        let server = SessionEnd(.server)
        server.answer = { end, stream, _ in end.session.submitResponse(stream, status: 200, endStream: false) }
        return server
    }

    @Test func `a conversation cut at any byte says the same`() {
        let whole = served()
        whole.receive(Self.conversation)
        let (events, output) = (whole.events, Wire.frames(whole.output()))
        for cut in 1..<Self.conversation.count {
            let server = served()
            server.receive(Array(Self.conversation[..<cut]))
            server.receive(Array(Self.conversation[cut...]))
            #expect(server.events == events)
            #expect(server.inbox[1] == Array("hello!".utf8))
            #expect(Wire.frames(server.output()).count == output.count)
        }
    }

    @Test func `a conversation byte by byte says the same`() {
        let whole = served()
        whole.receive(Self.conversation)
        let server = served()
        for byte in Self.conversation { server.receive([byte]) }
        #expect(server.events == whole.events)
        #expect(server.inbox == whole.inbox)
    }

    @Test func `one wrong byte anywhere costs the connection at most`() {
        for place in 0..<Self.conversation.count {
            for mask: UInt8 in [0x01, 0x80, 0xff] {
                var bytes = Self.conversation
                bytes[place] ^= mask
                let server = served()
                server.receive(bytes)
                _ = server.output()
                server.session.abandonStreams(HTTP2Code.cancel)
                #expect(server.session.openStreamCount == 0)
            }
        }
    }

    @Test func `noise behind a valid preface costs the connection at most`() {
        var state: UInt64 = 42
        for _ in 0..<300 {
            var bytes = Wire.hello() + Wire.connect(1)
            for _ in 0..<200 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                // Short lengths and known types, or all would end at the first header.
                let kind = UInt8(truncatingIfNeeded: state >> 60) % 11
                let payload = (0..<Int(state >> 40) % 12).map { UInt8(truncatingIfNeeded: state >> (UInt64($0) * 5)) }
                bytes +=
                    Wire.header(kind, UInt8(truncatingIfNeeded: state >> 33), Int32(state >> 20 & 3), payload.count) + payload
            }
            let server = served()
            server.receive(bytes)
            _ = server.output()
            let client = SessionEnd(.client)
            #expect(client.connect() == 1)
            _ = client.output()
            client.receive(Array(bytes.dropFirst(Wire.preface.count)))
            _ = client.output()
        }
    }
}
