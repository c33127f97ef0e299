// SPDX-License-Identifier: Apache-2.0

import Support

/// The house rules that look at one file, each a pure function from a file to its findings.
enum Rules {
    static let licence = "SPDX-License-Identifier: Apache-2.0"

    static func licenceLine(_ file: SourceFile) -> [Finding] {
        let first = file.lines.first ?? ""
        let line = first.hasPrefix("#!") ? file.lines.dropFirst().first ?? "" : first
        // Package.swift must open with the tools version.
        let fits = line.hasSuffix(licence) || file.name == "Package.swift" && first.hasPrefix("// swift-tools-version")
        return fits ? [] : [Finding(file, 1, "first line must be the comment \"\(licence)\"")]
    }

    static func length(_ file: SourceFile, limit: Int = 400) -> [Finding] {
        let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
        return count <= limit ? [] : [Finding(file, limit + 1, "\(count) lines, at most \(limit): one idea per file, split it")]
    }

    /// What two windows beside each other show of a line. The formatter breaks code earlier, but neither comments nor strings.
    static let lineLimit = 150

    static func lineLength(_ file: SourceFile) -> [Finding] {
        file.lines.enumerated().filter { $1.count > lineLimit }
            .map { Finding(file, $0.offset + 1, "\($0.element.count) characters, at most \(lineLimit): break the line") }
    }

    /// The first declaration after the imports carries a doc comment that says what the file is about.
    static func docHead(_ file: SourceFile) -> [Finding] {
        for (index, line) in file.lines.enumerated() {
            let text = line.trimmed
            if text.isEmpty || text.hasPrefix("// ") || text == "//" || text.hasPrefix("@_")
                || text.contains(/^(\w+\s)?(@\w+\s)?import\s/)
            {
                continue
            }
            // An extension alone says what it is by its name and the file's.
            if text.hasPrefix("///") || text.contains(/^(package\s|private\s|fileprivate\s)?extension\s/) || text.hasPrefix("#if")
            {
                return []
            }
            return [Finding(file, index + 1, "doc comment (///) missing: what it is, who owns it, which thread, what ends it")]
        }
        return []
    }

    /// Folders whose code reads what others wrote: a trap there is a way in.
    static let parserFolders = [
        "Sources/Documents/", "Sources/Wire/", "Sources/Messages/", "Sources/HTTP/", "Sources/TLS/", "Sources/Mesh/",
        "Sources/ResourceAPI/",
    ]

    static func noTraps(_ file: SourceFile) -> [Finding] {
        guard parserFolders.contains(where: { file.path.hasPrefix($0) }) else { return [] }
        return file.code.enumerated().flatMap { index, line -> [Finding] in
            var found: [Finding] = []
            if line.contains(/(^|\W)try!/) {
                found.append(Finding(file, index + 1, "try! traps on bad input: throw or return nil"))
            }
            if line.contains(/\sas!/) { found.append(Finding(file, index + 1, "as! traps on bad input: use as? or an enum")) }
            if line.contains(/[\w\)\]\}>?]!(?!=)/), !line.contains(/(^|\W)(try|as)!/) {
                found.append(Finding(file, index + 1, "! traps on nil: use guard let, ?? or a read that can fail"))
            }
            if line.contains(/unsafelyUnwrapped|unsafeBitCast\(|unsafeDowncast\(/) {
                found.append(Finding(file, index + 1, "unchecked: use guard let"))
            }
            return found
        }
    }

    /// Modules that have no C boundary and so no reason for `unsafe`.
    static let safeModules: Set<String> = [
        "Wire", "Messages", "Mesh", "Daemon", "NodeProxy", "Operator", "ResourceAPI", "ControlPlane", "warren", "warrend",
    ]

    static func noUnsafe(_ file: SourceFile) -> [Finding] {
        guard let module = file.module, safeModules.contains(module) else { return [] }
        return file.code.enumerated().filter { $1.contains(/(^|\W)(unsafe|Unsafe\w+|nonisolated\(unsafe\)|@unchecked)(\W|$)/) }
            .map {
                Finding(
                    file, $0.offset + 1,
                    "\(module) is a safe module: put what needs unsafe into Kernel, Bytes or a protocol module")
            }
    }

    /// A state machine's switch names every state: `default:` hides a forgotten one, and costs a copy.
    static func noDefaultInStateMachines(_ file: SourceFile) -> [Finding] {
        guard file.path.hasPrefix("Sources/"), file.name.contains("StateMachine") || file.name.contains("Machine.swift") else {
            return []
        }
        return file.code.enumerated().filter { $1.contains(/^\s*default\s*:/) }
            .map { Finding(file, $0.offset + 1, "no default: in a state machine: name the states") }
    }

    private static let postponing = ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "for" + " now", "HA" + "CK"]

    static func nothingPostponed(_ file: SourceFile) -> [Finding] {
        words(postponing, in: file, remedy: "is a promise nobody keeps: do it, or write an issue")
    }

    private static let machinePaths = ["/wo" + "rk/", "/tmp/bu" + "ild-", "/ro" + "ot/", "/ho" + "me/", "/opt/sw" + "ift"]

    static func noMachinePaths(_ file: SourceFile) -> [Finding] {
        words(machinePaths, in: file, remedy: "is a path of one machine: derive it, or make it a setting")
    }

    private static func words(_ words: [String], in file: SourceFile, remedy: String) -> [Finding] {
        file.lines.enumerated().flatMap { index, line in
            words.filter { line.containsWord($0) }.map { Finding(file, index + 1, "\"\($0)\" \(remedy)") }
        }
    }

    /// Scripts stop at the first failure, also of an unset variable or inside a pipe. dpkg's are for any `sh` (Debian Policy 10.4), which knows no
    /// pipefail, and has parameters that may be unset.
    static func strictScript(_ file: SourceFile) -> [Finding] {
        if file.lines.first == "#!/bin/sh" {
            return file.lines.contains("set -e") ? [] : [Finding(file, 2, "add the line: set -e")]
        }
        return file.lines.contains("set -euo pipefail") ? [] : [Finding(file, 2, "add the line: set -euo pipefail")]
    }

    static func entryPointLength(_ file: SourceFile) -> [Finding] {
        file.name == "main.swift" ? length(file, limit: 100) : []
    }
}

extension StringProtocol {
    var trimmed: Substring {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }

    /// The word, not as part of a longer one: "HTTP" isn't in "HTTPS". A word may begin or end with a sign.
    func containsWord(_ word: String) -> Bool {
        var rest = Substring(self)
        while let range = rest.firstRange(of: word) {
            let before = range.lowerBound > startIndex ? self[..<range.lowerBound].last : nil
            let after = range.upperBound < endIndex ? self[range.upperBound] : nil
            let starts = before.map { !$0.isLetter } ?? true
            let ends = after.map { !$0.isLetter } ?? true
            if starts || word.first?.isLetter == false, ends || word.last?.isLetter == false { return true }
            rest = rest[range.upperBound...]
        }
        return false
    }
}
