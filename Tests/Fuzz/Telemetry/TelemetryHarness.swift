// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Synchronization
import Telemetry

/// What is written of a peer's words: log lines in both forms, and metrics. Whatever the words are, a line stays one line that its readers take
/// apart as it was put together.
enum TelemetryHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let texts = (0..<4).map { _ in String(decoding: input.take(input.word() % 3000), as: UTF8.self) }
        for format in LogFormat.allCases { checkLog(format, texts) }
        checkMetrics(texts)
    }

    private static func checkLog(_ format: LogFormat, _ texts: [String]) {
        let collected = Mutex<[UInt8]>([])
        let collect: LogSink = { bytes in collected.withLock { $0 += bytes } }
        guard
            let writer = try? LogWriter(format: format, levels: LogLevels(.debug), capacity: 8, daemon: collect, access: collect)
        else { return }
        let log = writer.makeLog(.inbound)
        log.error(texts[0], [LogField("peer", texts[1]), LogField("count", 7)])
        var record = AccessLogRecord(
            time: WallTime(seconds: 1_800_000_000), direction: .inbound, duration: .seconds(1),
            source: SocketAddress(.loopbackV4, 1))
        (record.sourceIdentity, record.hboneAddress, record.error) = (texts[1], texts[2], texts[3])
        log.access(record)
        guard (try? writer.start()) != nil else { return }
        writer.stop()
        let lines = collected.withLock { $0.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) }
        invariant(lines.count == 3 && lines[2].isEmpty, "two records became \(lines.count - 1) lines")
        for line in lines.dropLast() {
            check(Array(line), format)
            if format == .json { checkFields(Array(line), texts) }
        }
    }

    /// Nothing that a terminal would act upon, but the three tabs of a line of text; and no quote that isn't ours.
    private static func check(_ line: [UInt8], _ format: LogFormat) {
        let text = String(decoding: line, as: UTF8.self)
        let controls = text.unicodeScalars.filter { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) }
        invariant(format == .json ? controls.isEmpty : controls.map(\.value) == [9, 9, 9], "controls in a line: \(text)")
        var (quotes, isEscaped) = (0, false)
        for byte in line {
            if byte == UInt8(ascii: "\""), !isEscaped { quotes += 1 }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        invariant(quotes % 2 == 0 && !isEscaped, "an open quote: \(text)")
    }

    private static func checkFields(_ line: [UInt8], _ texts: [String]) {
        guard let value = try? JSON.read(line) else { bug("no JSON: \(String(decoding: line, as: UTF8.self))") }
        let pairs = [("peer", texts[1]), ("src.identity", texts[1]), ("dst.hbone_addr", texts[2]), ("error", texts[3])]
        for (name, text) in pairs where text.utf8.count <= 2048 {
            guard let told = value[name]?.stringValue else { continue }
            invariant(Array(told.utf8) == Array(text.utf8), "\(name) is told otherwise")
        }
    }

    private static func checkMetrics(_ texts: [String]) {
        let shard = MetricShard(number: 0)
        let labels = TrafficLabels(
            reporter: .destination,
            source: PeerLabels(workload: texts[0], namespace: texts[1], principal: texts[2], cluster: texts[3]),
            destination: .unknown, service: ServiceLabels(host: texts[3], name: texts[0]), security: .mutualTLS)
        let series = shard.open(labels)
        shard.add(received: 1, sent: 2, to: series)
        shard.decided(.denied, policy: texts[2])
        let now = Instant(nanoseconds: 1_000_000_000)
        shard.close(series, .none, now: now)
        let registry = MetricRegistry()
        registry.absorb(shard.snapshot(now: now), now: now)
        for line in registry.exposition().split(separator: UInt8(ascii: "\n")) { check(sample: line) }
    }

    /// `name{label="value",…} number`, or a comment.
    private static func check(sample line: ArraySlice<UInt8>) {
        guard line.first != UInt8(ascii: "#") else { return }
        var rest = line.drop { $0 != UInt8(ascii: "{") && $0 != UInt8(ascii: " ") }
        if rest.first == UInt8(ascii: "{") {
            repeat {
                rest = rest.dropFirst().drop { $0 != UInt8(ascii: "=") }.dropFirst()
                guard rest.popFirst() == UInt8(ascii: "\"") else { return broken(line) }
                var isEscaped = false
                while let byte = rest.first, isEscaped || byte != UInt8(ascii: "\"") {
                    guard byte >= 0x20, byte != 0x7f else { return broken(line) }
                    isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
                    rest = rest.dropFirst()
                }
                guard rest.popFirst() != nil else { return broken(line) }
            } while rest.first == UInt8(ascii: ",")
            guard rest.popFirst() == UInt8(ascii: "}") else { return broken(line) }
        }
        let number = String(decoding: rest.dropFirst(), as: UTF8.self)
        invariant(rest.first == UInt8(ascii: " ") && Double(number) != nil, "no number: \(String(decoding: line, as: UTF8.self))")
    }

    private static func broken(_ line: ArraySlice<UInt8>) { bug("no sample: \(String(decoding: line, as: UTF8.self))") }
}
