// SPDX-License-Identifier: Apache-2.0

import Bytes
import Testing

/// What a certificate's serial number says of the host that it was issued to.
@Suite struct HostTagTests {
    @Test func `it is the first half of a serial number, however many zeros are left out`() {
        #expect(HostTag(serial: "0123456789abcdef00000000000000ff") == HostTag(0x0123_4567_89ab_cdef))
        #expect(HostTag(serial: "ff00000000000000ff") == HostTag(0xff))
        #expect(HostTag(serial: "ff") == HostTag(0))
        #expect(HostTag(0xff).bytes == [0, 0, 0, 0, 0, 0, 0, 0xff])
        for odd in ["", "unknown serial number", String(repeating: "1", count: 33)] {
            #expect(HostTag(serial: odd) == nil, "\(odd)")
        }
    }

    @Test func `its text is its name`() {
        for number in [0, 1, 0xff, .max, 0x8000_0000_0000_0000] as [UInt64] {
            #expect(HostTag(HostTag(number).description) == HostTag(number))
        }
        for odd in ["", "1", "0123456789ABCDEF", "0123456789abcdeg", "0123456789abcdef0"] {
            #expect(HostTag(odd) == nil, "\(odd)")
        }
    }
}
