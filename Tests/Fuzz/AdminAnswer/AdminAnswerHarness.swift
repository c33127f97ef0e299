// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Operator

/// What `warren` shows of an answer of the admin API, names in it being those of peers. The first byte chooses the command, the second how it
/// prints and whether the rest is a whole HTTP answer or the document alone.
enum AdminAnswerHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let command = commands[input.choice(commands.count)]
        let flags = input.byte()
        let format = ["table", "table", "json", "yaml"][Int(flags & 3)]
        let wide = flags & 4 != 0 && wideCommands.contains(command) ? ["--wide"] : []
        let answer = (flags & 8 == 0 ? head : []) + input.rest
        let shown = Shown()
        let console = Console(
            isTerminal: false, hasColours: false, output: { shown.output += $0 }, errors: { shown.errors += $0 })
        let session = Session(
            console: console, ask: { AdminClient.read(answer, to: $0) }, now: { WallTime(seconds: 1_800_000_000) },
            pause: { _ in false })
        let code = Warren.run([command, "-o", format] + wide, session)
        invariant(code != .usage, "the harness calls \(command) as it can't be called: \(shown.errors)")
        invariant(code == .ok || command == "status" || !shown.errors.isEmpty, "\(command) fails without a word")
        for text in [shown.output, shown.errors] where format == "table" || text == shown.errors { check(lines: text) }
        guard !shown.output.isEmpty else { return }
        switch format {
        case "json": invariant((try? JSON.read(Array(shown.output.utf8))) != nil, "no JSON: \(shown.output)")
        case "yaml": invariant((try? YAML.read(Array(shown.output.utf8))) != nil, "no YAML: \(shown.output)")
        default: break
        }
    }

    private static let commands = [
        "status", "workloads", "services", "policies", "certificates", "connections", "tunnels", "log",
    ]
    private static let wideCommands: Set = ["workloads", "services", "policies", "certificates", "connections", "tunnels"]
    private static let head = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)

    /// Lines that end, and nothing in them that a terminal would act upon.
    private static func check(lines text: String) {
        invariant(text.isEmpty || text.utf8.last == 10, "a line without an end: \(text)")
        let controls = text.unicodeScalars.filter { $0.value < 0x20 && $0.value != 10 || (0x7f...0x9f).contains($0.value) }
        invariant(controls.isEmpty, "a terminal would act upon \(controls.map(\.value)): \(text)")
    }

    private final class Shown {
        var output = ""
        var errors = ""
    }
}
