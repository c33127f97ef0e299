// SPDX-License-Identifier: Apache-2.0

import Support

/// The house rules about documents and the version.
enum DocumentRules {
    /// Links to files of the repository lead somewhere; links to headings too.
    static func links(_ file: SourceFile, exists: (String) -> Bool, headings: (String) -> Set<String>) -> [Finding] {
        var fenced = false
        return file.lines.enumerated().flatMap { index, line -> [Finding] in
            if line.hasPrefix("```") { fenced.toggle() }
            guard !fenced else { return [] }
            return line.matches(of: /\]\(([^)\s]+)\)/).map { String($0.output.1) }.compactMap { target in
                guard !target.contains("://"), !target.hasPrefix("mailto:") else { return nil }
                let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                let path = parts[0].isEmpty ? file.path : resolve(parts[0], from: file.path)
                guard exists(path) else { return Finding(file, index + 1, "link to \(target), which isn't there: correct it") }
                guard parts.count == 2, path.hasSuffix(".md"), !headings(path).contains(parts[1]) else { return nil }
                return Finding(file, index + 1, "link to the heading #\(parts[1]), which \(path) doesn't have: correct it")
            }
        }
    }

    /// A relative link as a path below the repository's root.
    static func resolve(_ target: String, from path: String) -> String {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    /// Headings as GitHub makes anchors of them.
    static func anchors(_ file: SourceFile) -> Set<String> {
        Set(
            file.lines.filter { $0.hasPrefix("#") }.map { line in
                let title = line.drop { $0 == "#" }.trimmed.lowercased()
                return String(
                    title.filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }.map {
                        $0 == " " ? "-" : $0
                    })
            })
    }

    /// The version stands once in the sources, and is the newest that the change log tells of.
    static func version(sources: [SourceFile], changeLog: SourceFile) -> [Finding] {
        let holders = sources.filter { $0.code.contains { $0.contains(/\blet warrenVersion\b/) } }
        guard let holder = holders.first, holders.count == 1 else {
            return [
                Finding(
                    changeLog, 1,
                    "\(holders.count) declarations of warrenVersion: there must be one, in Sources/Daemon/Version.swift")
            ]
        }
        let line = holder.lines.firstIndex { $0.contains("let warrenVersion") } ?? 0
        guard let version = holder.lines[line].firstMatch(of: /"(\d+\.\d+\.\d+)"/)?.output.1 else {
            return [Finding(holder, line + 1, "warrenVersion must be MAJOR.MINOR.PATCH in quotes")]
        }
        var found: [Finding] = []
        let heading = changeLog.lines.firstIndex { $0.hasPrefix("## ") } ?? 0
        if changeLog.lines[heading].firstMatch(of: /\d+\.\d+\.\d+/)?.output != version {
            found.append(Finding(changeLog, heading + 1, "the first heading must be the version \(version) of \(holder.path)"))
        }
        for file in sources where file.path != holder.path {
            for (index, text) in file.lines.enumerated() where text.contains("\"\(version)\"") {
                found.append(Finding(file, index + 1, "the version stands once: use warrenVersion"))
            }
        }
        return found
    }
}
