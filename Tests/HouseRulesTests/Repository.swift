// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// The repository that these tests stand in, read once.
struct Repository: Sendable {
    static let root: String = {
        let parts = #filePath.split(separator: "/")
        return "/" + parts.dropLast(3).joined(separator: "/")
    }()

    static let current = Repository()

    /// Every text file that belongs to the repository.
    let files: [SourceFile]

    var sources: [SourceFile] { files.filter { $0.path.hasPrefix("Sources/") && $0.path.hasSuffix(".swift") } }
    var swift: [SourceFile] { files.filter { $0.path.hasSuffix(".swift") } }
    var headers: [SourceFile] {
        files.filter { $0.path.hasPrefix("Sources/") && ($0.path.hasSuffix(".h") || $0.path.hasSuffix(".c")) }
    }
    var c: [SourceFile] { files.filter { $0.path.hasSuffix(".h") || $0.path.hasSuffix(".c") } }
    var scripts: [SourceFile] {
        files.filter { $0.path.hasSuffix(".sh") || ($0.lines.first ?? "").hasPrefix("#!") && !$0.path.hasSuffix(".py") }
    }
    var python: [SourceFile] { files.filter { $0.path.hasSuffix(".py") } }
    var documents: [SourceFile] { files.filter { $0.path.hasSuffix(".md") } }

    private init() {
        let folders = ["Sources", "Tests", "deploy", "docs", ".ci"]
        var paths = folders.flatMap { folder in
            ((try? Files.walk("\(Self.root)/\(folder)", skipping: [".build", "__pycache__"])) ?? []).map { "\(folder)/\($0)" }
        }
        paths += ((try? Files.list(Self.root)) ?? []).filter { !Files.isFolder("\(Self.root)/\($0)") }
        files = paths.filter { !Self.isData($0) }
            .compactMap { path in (try? Files.text("\(Self.root)/\(path)")).map { SourceFile(path: path, text: $0) } }
    }

    /// Data of tests: not ours to word.
    private static func isData(_ path: String) -> Bool {
        path.contains("/Vectors/") || path.contains("/Corpus/") || path.hasSuffix(".binpb") || path == "Package.resolved"
            || path == "LICENSE"
    }

    func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }
}

// A failing test names files instead of printing them.
extension Repository: CustomTestStringConvertible {
    var testDescription: String { "the repository" }
}

/// One breach of a house rule: where, and what to do about it.
struct Finding: CustomStringConvertible, Equatable {
    let path: String
    let line: Int
    let remedy: String

    init(_ file: SourceFile, _ line: Int, _ remedy: String) {
        path = file.path
        self.line = line
        self.remedy = remedy
    }

    var description: String { "\(path):\(line): \(remedy)" }
}

/// All findings as one text, so that a failing test shows each on its line.
func report(_ findings: [Finding]) -> String {
    findings.map(\.description).joined(separator: "\n")
}
