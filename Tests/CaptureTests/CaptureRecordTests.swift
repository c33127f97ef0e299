// SPDX-License-Identifier: Apache-2.0

import Capture
import Kernel
import Testing

struct CaptureRecordTests {
    private static func full() -> CaptureRecord {
        var record = CaptureRecord(namespace: NamespaceIdentity(device: 4, inode: 4_026_532_201), name: "web")
        record.phase = .draining
        record.options = "15001 15006 15008 allow"
        record.settings = ["net/ipv4/tcp_tw_reuse": "2", "net/ipv4/tcp_fwmark_accept": "0"]
        record.loopbackWasUp = false
        record.generation = 17
        record.listing = "table inet warren {\n\tchain a {\n\t}\n}\n"
        return record
    }

    @Test func `a record reads back as it was written`() {
        #expect(CaptureRecord(text: Self.full().text) == Self.full())
        let bare = CaptureRecord(namespace: NamespaceIdentity(device: 4, inode: 5), name: "")
        #expect(CaptureRecord(text: bare.text) == bare)
    }

    @Test func `its text is stable, for other versions read it`() {
        #expect(
            Self.full().text == """
                warren capture 1
                namespace 4 4026532201
                name web
                phase draining
                options 15001 15006 15008 allow
                loopback false
                generation 17
                setting net/ipv4/tcp_fwmark_accept 0
                setting net/ipv4/tcp_tw_reuse 2
                listing
                table inet warren {
                \tchain a {
                \t}
                }

                """)
    }

    @Test func `a setting of several words keeps them`() {
        var record = Self.full()
        record.settings = ["net/ipv4/ip_local_port_range": "32768\t60999 "]
        #expect(CaptureRecord(text: record.text)?.settings == record.settings)
    }

    @Test(arguments: [
        "", "\n", "warren capture 2\nnamespace 4 5\n", "warren capture 1\n", "warren capture 1\nnamespace 4\n",
        "warren capture 1\nnamespace 4 x\n", "warren capture 1\nnamespace 4 -5\n",
        "warren capture 1\nnamespace 4 99999999999999999999\n",
        "listing\nwarren capture 1\nnamespace 4 5\n",
    ])
    func `what is no record is none`(text: String) {
        #expect(CaptureRecord(text: text) == nil)
    }

    @Test func `a record cut off anywhere is none or lacks only its end`() {
        let text = Self.full().text
        for length in 0..<text.utf8.count {
            guard let record = CaptureRecord(text: String(decoding: text.utf8.prefix(length), as: UTF8.self)) else { continue }
            #expect(record.namespace.device == 4)
            #expect(text.hasPrefix("warren capture 1\nnamespace \(record.namespace.device) \(record.namespace.inode)"))
        }
    }

    @Test func `an unknown phase drains`() {
        let text = Self.full().text.split(separator: "\n").map { $0 == "phase draining" ? "phase frozen" : $0 }.joined(
            separator: "\n")
        #expect(CaptureRecord(text: text)?.phase == .draining)
    }
}
