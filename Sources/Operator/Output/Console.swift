// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Where a command prints: standard output and error, or what a test collects. Colours are for people at a terminal alone, and
/// never with NO_COLOR (https://no-color.org).
package final class Console {
    /// Whether the output is a person's terminal.
    let isTerminal: Bool
    let hasColours: Bool
    private let output: (String) -> Void
    private let errors: (String) -> Void

    package init(
        isTerminal: Bool, hasColours: Bool, output: @escaping (String) -> Void, errors: @escaping (String) -> Void
    ) {
        self.isTerminal = isTerminal
        self.hasColours = hasColours
        self.output = output
        self.errors = errors
    }

    /// The process's own streams.
    package static func standard() -> Console {
        let isTerminal = StandardStream.output.isTerminal
        return Console(
            isTerminal: isTerminal, hasColours: wantsColours(isTerminal: isTerminal, environmentVariable),
            output: StandardStream.output.write, errors: StandardStream.error.write)
    }

    static func wantsColours(isTerminal: Bool, _ environment: (String) -> String?) -> Bool {
        isTerminal && (environment("NO_COLOR") ?? "").isEmpty && environment("TERM") != "dumb"
    }

    func print(_ text: String) { output(text) }
    func complain(_ text: String) { errors(text) }

    func paint(_ text: String, _ colour: Colour) -> String {
        hasColours ? "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// Begins a picture anew: the terminal's, or after an empty line.
    func clear(isFirst: Bool) {
        if isTerminal { output("\u{1b}[H\u{1b}[2J") } else if !isFirst { output("\n") }
    }
}

/// What colours mean here.
enum Colour: Int {
    case heading = 1
    case bad = 31
    case good = 32
    case doubtful = 33
}

/// Text for a terminal: what would move its cursor, or end a line, is shown as a question mark instead. Names may come from a
/// peer.
func printable(_ text: String, limit: Int = 4096) -> String {
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar.value {
        // Controls, separators, and marks that turn the direction of writing.
        case 0..<0x20, 0x7f...0x9f, 0x200b...0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: scalars.append("?")
        default: scalars.append(scalar)
        }
    }
    return String(scalars)
}
