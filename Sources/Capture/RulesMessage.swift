// SPDX-License-Identifier: Apache-2.0

/// What `RulesChild` and its child say to each other: a word, the length of what follows, a line feed, and that many bytes.
///
///     apply 412\n…    list 12\ninet warren    all 0\n        →
///     done 0\n        done 1830\n…            failed 61\n…   ←
struct RulesMessage: Equatable {
    let word: String
    let body: [UInt8]

    init(word: String, body: String) {
        self.word = word
        self.body = Array(body.utf8)
    }

    init(job: RulesChild.Job) {
        switch job {
        case .apply(let text): self.init(word: "apply", body: text)
        case .check(let text): self.init(word: "check", body: text)
        case .list(let table): self.init(word: "list", body: table)
        case .listAll: self.init(word: "all", body: "")
        }
    }

    /// The message as a job; nil if it is none.
    var job: RulesChild.Job? {
        switch word {
        case "apply": .apply(text)
        case "check": .check(text)
        case "list": .list(table: text)
        case "all": .listAll
        default: nil
        }
    }

    /// The message as an answer.
    var result: Result<String, CaptureFailure> {
        switch word {
        case "done": .success(text)
        case "failed": .failure(.rulesRefused(text))
        default: .failure(.childUnreadable)
        }
    }

    var text: String { String(decoding: body, as: UTF8.self) }

    var bytes: [UInt8] { Array("\(word) \(body.count)\n".utf8) + body }

    /// The messages that lie in the bytes whole; what is cut off at the end is left out.
    static func all(in bytes: [UInt8]) -> [RulesMessage] {
        var messages: [RulesMessage] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let head = rest[..<end].split(separator: UInt8(ascii: " "))
            guard head.count == 2, let length = Int(String(decoding: head[1], as: UTF8.self)), length >= 0,
                length <= rest.endIndex - end - 1
            else { break }
            let body = rest[(end + 1)...].prefix(length)
            messages.append(
                RulesMessage(word: String(decoding: head[0], as: UTF8.self), body: String(decoding: body, as: UTF8.self)))
            rest = rest[(end + 1 + length)...]
        }
        return messages
    }
}
