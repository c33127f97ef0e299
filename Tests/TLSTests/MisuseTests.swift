// SPDX-License-Identifier: Apache-2.0

import TLS
import Testing

/// Our own bugs stop the program; no peer can cause these.
@Suite struct MisuseTests {
    @Test func `feeding before the last input was consumed traps`() async {
        await #expect(processExitsWith: .failure) {
            let pair = try Pair(TestAuthority())
            let bytes = [UInt8](repeating: 0, count: 10)
            unsafe bytes.withUnsafeBytes {
                unsafe pair.server.session.feed($0)
                unsafe pair.server.session.feed($0)
            }
        }
    }

    @Test func `writing before the handshake is complete traps`() async {
        await #expect(processExitsWith: .failure) {
            let context = try TLSContext(role: .server, credential: TestAuthority().credential("db"))
            _ = OurEnd(TLSSession(accepting: context)).write([1])
        }
    }

    @Test func `writing after shutdown traps`() async {
        await #expect(processExitsWith: .failure) {
            let pair = try Pair(TestAuthority())
            pair.client.session.shutdown()
            _ = pair.client.write([1])
        }
    }

    @Test func `connecting with a server's context traps`() async {
        await #expect(processExitsWith: .failure) {
            let context = try TLSContext(role: .server, credential: TestAuthority().credential("db"))
            _ = TLSSession(connecting: context, expecting: [])
        }
    }

    @Test func `sending more than is pending traps`() async {
        await #expect(processExitsWith: .failure) {
            let pair = try Pair(TestAuthority())
            pair.client.session.output.consume(1)
        }
    }
}
