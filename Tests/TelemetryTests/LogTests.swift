// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Testing

@testable import Telemetry

@Suite struct LogLevelTests {
    @Test(arguments: [
        ("debug", LogLevel.debug, LogLevel.debug), ("WARN", .warn, .warn), ("info,tunnel:debug", .info, .debug),
        ("tunnel=error", .info, .error), ("tunnel:debug,off", .off, .off), ("off,tunnel:error", .off, .error),
    ])
    func `a text sets all scopes or one, in its order`(text: String, access: LogLevel, tunnel: LogLevel) throws {
        let levels = LogLevels(.info)
        try levels.apply(text)
        #expect(levels[.access] == access)
        #expect(levels[.tunnel] == tunnel)
    }

    @Test(arguments: [
        ("verbose", "\"verbose\" is no level: there are off, error, warn, info, debug."),
        ("degub", "\"degub\" is no level: there are off, error, warn, info, debug. Did you mean `debug`?"),
        ("", "\"\" is no level: there are off, error, warn, info, debug."),
        ("info,", "\"\" is no level: there are off, error, warn, info, debug."),
        ("tunnel:", "\"\" is no level: there are off, error, warn, info, debug."),
        (
            "tunel:debug",
            "\"tunel\" is no scope: there are access, admin, capture, daemon, identity, inbound, mesh, outbound, policy, "
                + "telemetry, tunnel. Did you mean `tunnel`?"
        ),
    ])
    func `a text that is wrong changes nothing and says what is known`(text: String, sentence: String) {
        let levels = LogLevels(.warn)
        #expect { try levels.apply("tunnel:debug,\(text)") } throws: { error in
            (error as? LogLevelFailure)?.description == sentence
        }
        #expect(LogScope.allCases.allSatisfy { levels[$0] == .warn })
    }

    @Test func `a level lets through what is as serious or more`() {
        let levels = LogLevels(.warn, scopes: [.policy: .off])
        #expect(levels.isOn(.error, .tunnel) && levels.isOn(.warn, .tunnel))
        #expect(!levels.isOn(.info, .tunnel) && !levels.isOn(.error, .policy))
        #expect(throws: Never.self) { try levels.apply("debug") }
        levels.reset()
        #expect(levels[.tunnel] == .warn && levels[.policy] == .off)
    }

    @Test func `every scope has a place of its own`() {
        #expect(LogScope.allCases.map(\.index) == Array(LogScope.allCases.indices))
        // Four bits each in one word.
        #expect(LogScope.allCases.count <= 16)
    }
}

@Suite struct LogWriterTests {
    private func writer(_ format: LogFormat = .text, level: LogLevel = .info, capacity: Int = 4096) throws -> (
        LogWriter, Collector, Collector
    ) {
        let (daemon, access) = (Collector(), Collector())
        let writer = try LogWriter(
            format: format, levels: LogLevels(level), capacity: capacity, daemon: daemon.sink, access: access.sink)
        return (writer, daemon, access)
    }

    @Test func `lines go out in order, and stopping writes what is left`() throws {
        let (writer, daemon, access) = try writer()
        let log = writer.makeLog(.capture)
        try writer.start()
        for number in 0..<500 { log.info("line", [LogField("number", number)]) }
        log.access(record())
        writer.stop()
        #expect(daemon.lines.count == 500)
        #expect(daemon.lines.enumerated().allSatisfy { $1.hasSuffix("\tinfo\tcapture\tline number=\($0)") })
        #expect(access.lines.count == 1)
    }

    @Test func `while a level is off neither sentence nor fields are made`() throws {
        let (writer, daemon, _) = try writer(level: .warn)
        let log = writer.makeLog(.mesh)
        try writer.start()
        var made = 0
        func make() -> String {
            made += 1
            return "made"
        }
        log.info(make(), [LogField("x", make())])
        #expect(made == 0)
        log.scoped(.policy).warn(make())
        #expect(made == 1)
        writer.stop()
        #expect(daemon.lines.count == 1)
        #expect(daemon.text.contains("\twarn\tpolicy\tmade"))
    }

    @Test func `a level set at run time counts at once`() throws {
        let (writer, daemon, _) = try writer()
        let log = writer.makeLog(.tunnel)
        try writer.start()
        log.debug("before")
        try writer.levels.apply("tunnel:debug")
        log.debug("after")
        writer.stop()
        #expect(daemon.lines.count == 1 && daemon.text.contains("after"))
    }

    @Test func `a full ring drops, counts and says so, and never waits`() throws {
        let (writer, daemon, _) = try writer(capacity: 8)
        let log = writer.makeLog(.daemon)
        // Nobody reads yet: the ninth finds no room.
        for number in 0..<20 { log.info("line \(number)") }
        #expect(writer.dropped == 12)
        try writer.start()
        writer.stop()
        #expect(daemon.lines.count == 9)
        #expect(daemon.lines.last?.contains("12 log lines were dropped") == true)
    }

    @Test func `many threads write through one ring, none is lost, each one's lines keep their order`() throws {
        let (writer, daemon, _) = try writer(capacity: 1 << 17)
        let log = writer.makeLog(.daemon)
        try writer.start()
        let threads = try (0..<4).map { thread in
            try Thread(name: "writer") {
                for number in 0..<5000 { log.info("t", [LogField("thread", thread), LogField("n", number)]) }
            }
        }
        for thread in threads { thread.join() }
        writer.stop()
        #expect(writer.dropped == 0)
        #expect(daemon.lines.count == 20_000)
        for thread in 0..<4 {
            let own = daemon.lines.filter { $0.contains("thread=\(thread) ") }.compactMap {
                $0.split(separator: "=").last.flatMap { Int($0) }
            }
            #expect(own == Array(0..<5000))
        }
    }

    @Test func `several rings are written, and the thread wakes for each`() throws {
        let (writer, daemon, _) = try writer()
        let logs = (0..<3).map { _ in writer.makeLog(.daemon) }
        try writer.start()
        for (number, log) in logs.enumerated() {
            log.info("ring \(number)")
            // Written before the next comes, so the thread has slept in between: a lost wake-up would hang here.
            while daemon.lines.count <= number { Thread.sleep(.milliseconds(1)) }
        }
        writer.stop()
        #expect(daemon.lines.count == 3)
    }

    @Test func `a silent log is silent`() {
        Log.silent.error("nobody hears")
        Log.silent.access(record())
        #expect(!Log.silent.isOn(.error))
        #expect(!Log.silent.scoped(.policy).wantsAccess(failed: true))
    }
}

private func record() -> AccessLogRecord {
    AccessLogRecord(
        time: WallTime(seconds: 0), direction: .outbound, duration: .milliseconds(12),
        source: SocketAddress(IPAddress(v4: 0x0a00_0001), 40000))
}

@Suite struct LogTextTests {
    private func text(_ record: LogRecord, _ format: LogFormat = .text) -> String {
        var text = LogText(format)
        text.write(record)
        return String(decoding: text.take(), as: UTF8.self)
    }

    private var full: AccessLogRecord {
        var full = record()
        full.sourceWorkload = "web"
        full.sourceNamespace = "shop"
        full.sourceIdentity = "spiffe://cluster.local/ns/shop/sa/web"
        full.destination = SocketAddress(IPAddress(v4: 0x0a00_0002), 15008)
        full.hboneAddress = "10.0.0.2:5432"
        full.destinationService = "db.shop.svc.cluster.local"
        full.destinationWorkload = "db"
        full.destinationNamespace = "shop"
        full.destinationIdentity = "spiffe://cluster.local/ns/shop/sa/db"
        full.path = .hbone
        full.bytesSent = 5
        full.bytesReceived = .max
        full.flag = .deny
        full.policy = "shop/only-api"
        full.rule = "2"
        full.error = "denied by policy"
        return full
    }

    @Test func `an access line has ztunnel's fields in its order`() {
        #expect(
            text(.access(full)) == """
                1970-01-01T00:00:00.000Z\terror\taccess\tconnection complete src.addr="10.0.0.1:40000" src.workload="web" \
                src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" dst.addr="10.0.0.2:15008" \
                dst.hbone_addr="10.0.0.2:5432" dst.service="db.shop.svc.cluster.local" dst.workload="db" dst.namespace="shop" \
                dst.identity="spiffe://cluster.local/ns/shop/sa/db" direction="outbound" protocol="hbone" bytes_sent=5 \
                bytes_recv=9223372036854775807 duration="12ms" response_flags="DENY" policy="shop/only-api" rule="2" \
                error="denied by policy"

                """)
    }

    @Test func `what isn't known is left out, and success is info`() {
        #expect(
            text(.access(record())) == """
                1970-01-01T00:00:00.000Z\tinfo\taccess\tconnection complete src.addr="10.0.0.1:40000" direction="outbound" \
                bytes_sent=0 bytes_recv=0 duration="12ms" response_flags="-"

                """)
    }

    @Test func `JSON lines hold the same under the same names`() throws {
        let document = try JSON.read(Array(text(.access(full), .json).utf8))
        #expect(document["scope"]?.stringValue == "access")
        #expect(document["src.identity"]?.stringValue == "spiffe://cluster.local/ns/shop/sa/web")
        #expect(document["bytes_sent"]?.integerValue == 5)
        #expect(document["rule"]?.stringValue == "2")
    }

    @Test func `times are whole though their seconds are remembered`() {
        var text = LogText(.text)
        for (seconds, nanoseconds) in [(0, 0), (0, 999_999_999), (1, 5_000_000), (0, 50_000_000), (1_800_000_000, 1)] {
            text.write(
                .line(
                    LogLine(
                        time: WallTime(seconds: Int64(seconds), nanoseconds: Int64(nanoseconds)), level: .info, scope: .mesh,
                        message: "")))
        }
        let times = String(decoding: text.take(), as: UTF8.self).split(separator: "\n").map { $0.prefix(24) }
        #expect(
            times == [
                "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.999Z", "1970-01-01T00:00:01.005Z", "1970-01-01T00:00:00.050Z",
                "2027-01-15T08:00:00.000Z",
            ])
        #expect(text.take().isEmpty)
    }

    static let hostile = [
        "a\nb", "a\r\n2026-01-01T00:00:00Z\tinfo\taccess\tforged", "a\" policy=\"none", "a\\", "\u{1b}[31mred", "a\u{2028}b",
        "a\u{85}b", "\u{202e}evil", "\0", String(repeating: "x", count: 1 << 20),
    ]

    @Test(arguments: hostile) func `a hostile value stays one quoted value on one line`(value: String) throws {
        var bad = record()
        bad.sourceWorkload = value
        bad.error = value
        let line = text(.access(bad))
        #expect(line.utf8.count { $0 == 0x0a } == 1 && line.hasSuffix("\n"))
        #expect(!line.unicodeScalars.dropLast().contains { $0.value < 0x20 && $0.value != 9 || (0x7f...0x9f).contains($0.value) })
        #expect(line.utf8.count < 3 * LogText.longestValue)
        // Outside of quotes there is only what we wrote: the names of the fields.
        #expect(
            names(in: line) == [
                "src.addr", "src.workload", "direction", "bytes_sent", "bytes_recv", "duration", "response_flags", "error",
            ])
        let document = try JSON.read(Array(text(.access(bad), .json).utf8))
        #expect(document["src.workload"]?.stringValue?.hasPrefix(value.prefix(4)) == true)
    }

    @Test(arguments: hostile) func `a hostile word in a sentence makes no second line`(value: String) {
        let line = text(.line(LogLine(time: WallTime(seconds: 0), level: .warn, scope: .mesh, message: "can't read \(value)")))
        #expect(line.utf8.count { $0 == 0x0a } == 1)
        #expect(line.utf8.count { $0 == 0x09 } == 3)
        #expect(line.utf8.count < 2 * LogText.longestMessage)
    }

    /// The names before `=` of a line, read as a program would: quotes hold spaces and escaped quotes.
    private func names(in line: String) -> [String] {
        var (names, word, quoted, escaped) = ([String](), "", false, false)
        for character in line.split(separator: "\t", maxSplits: 3).last.map(String.init) ?? "" {
            if quoted {
                if escaped {
                    escaped = false
                } else if character == "\\" {
                    escaped = true
                } else if character == "\"" {
                    quoted = false
                }
            } else if character == "\"" {
                quoted = true
            } else if character == "=" {
                names.append(word)
                word = ""
            } else if character == " " {
                word = ""
            } else {
                word.append(character)
            }
        }
        return names
    }
}
