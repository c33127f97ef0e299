// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Operator

@Suite struct HumanTextTests {
    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1_258_291, "1.2 MiB"), (1_048_524, "1023.9 KiB"),
        (1_048_575, "1.0 MiB"), (1 << 30, "1.0 GiB"), (Int64.max, "8192.0 PiB"), (-5, "-5 B"),
    ])
    func `bytes are written in the unit that fits`(count: Int64, text: String) { #expect(HumanText.bytes(count) == text) }

    @Test(arguments: [
        (0, "0s"), (0.9, "0s"), (59.99, "59s"), (60, "1m00s"), (192, "3m12s"), (3599, "59m59s"), (3600, "1h00m"),
        (86_399, "23h59m"), (86_400, "1d00h"), (1e6, "11d13h"), (-1, "-"), (.nan, "-"), (.infinity, "-"), (1e300, "-"),
    ])
    func `an age is written in its two largest units`(seconds: Double, text: String) { #expect(HumanText.age(seconds) == text) }

    @Test func `one is one`() {
        #expect(HumanText.count(1, "error") == "1 error")
        #expect(HumanText.count(0, "error") == "0 errors")
    }

    @Test(arguments: [
        ("plain ünïcode", "plain ünïcode"), ("a\nb\tc", "a?b?c"), ("\u{1b}]0;title\u{7}", "?]0;title?"),
        ("\u{202e}gnp.exe", "?gnp.exe"), ("\u{9b}2J", "?2J"), ("\u{feff}\u{200b}", "??"),
    ])
    func `what would move a terminal's cursor is shown as a question mark`(text: String, shown: String) {
        #expect(printable(text) == shown)
    }
}

@Suite struct ConsoleTests {
    @Test(arguments: [
        (true, [:], true), (false, [:], false), (true, ["NO_COLOR": "1"], false), (true, ["NO_COLOR": ""], true),
        (true, ["TERM": "dumb"], false), (true, ["TERM": "xterm"], true),
    ])
    func `colours are for terminals, unless NO_COLOR says no`(isTerminal: Bool, environment: [String: String], wanted: Bool) {
        #expect(Console.wantsColours(isTerminal: isTerminal) { environment[$0] } == wanted)
    }
}

@Suite struct TableTests {
    private func console(colours: Bool = false) -> Console {
        Console(isTerminal: colours, hasColours: colours, output: { _ in }, errors: { _ in })
    }

    @Test func `columns are as wide as their widest cell, numbers stand right, nothing is a dash`() {
        var table = Table([.init("NAME"), .init("STREAMS", isNumber: true), .init("STATE")])
        table.add(["db-with-a-long-name", "12345678", "open"])
        table.add(["web", nil, ""])
        table.add(["x"])
        #expect(
            table.text(console()) == """
                NAME                  STREAMS  STATE
                db-with-a-long-name  12345678  open
                web                         -  -
                x                           -  -

                """)
    }

    @Test func `an empty table has its titles`() {
        #expect(Table([.init("A"), .init("B")]).text(console()) == "A  B\n")
    }

    @Test func `rows are sorted with numbers by their value`() {
        var table = Table([.init("NAME")])
        for name in ["web-10", "web-2", "web", "api", "web-02"] { table.add([name]) }
        table.sort()
        #expect(table.rows.map { $0[0] } == ["api", "web", "web-02", "web-2", "web-10"])
    }

    @Test(arguments: [
        ("10.0.0.9", "10.0.0.10"), ("a", "b"), ("", "a"), ("a", "aa"), ("a1b2", "a1b10"),
        ("99999999999999999999998", "99999999999999999999999"),
        ("1", "a"), ("shop/a", "shop/b"),
    ])
    func `an order is one in both directions`(a: String, b: String) {
        #expect(Table.precedes(a, b))
        #expect(!Table.precedes(b, a))
        #expect(!Table.precedes(a, a) && !Table.precedes(b, b))
    }

    @Test func `a hostile cell can't break the table, and is bounded`() {
        var table = Table([.init("A"), .init("B")])
        table.add(["x\nfake row", String(repeating: "y", count: 100_000)])
        let lines = table.text(console()).split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines[1].count < 400)
    }

    @Test func `colours don't disturb the columns`() {
        var table = Table([.init("A", colour: { $0 == "bad" ? .bad : nil }), .init("B")])
        table.add(["bad", "1"])
        table.add(["fine", "2"])
        let plain = table.text(console())
        let painted = table.text(console(colours: true))
        #expect(painted != plain)
        #expect(painted.replacing(/\u{1b}\[\d+m/, with: "") == plain)
    }
}
