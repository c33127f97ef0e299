// SPDX-License-Identifier: Apache-2.0

import Support

/// Who may import whom, read from Package.swift, which is the one place where it stands.
struct Arrows: Sendable {
    /// Modules and programs with what each may import.
    let allowed: [String: Set<String>]
    /// C modules, which have no arrows of their own.
    let cModules: Set<String>

    init(package text: String) {
        var allowed: [String: Set<String>] = [:]
        for call in text.matches(of: /\b(?:module|program)\(\s*((?:"[-A-Za-z0-9]+"[\s,]*)+)\)/) {
            let names = call.output.1.matches(of: /"([-A-Za-z0-9]+)"/).map { String($0.output.1) }
            allowed[names[0]] = Set(names.dropFirst())
        }
        self.allowed = allowed
        cModules = Set(text.matches(of: /\.(?:target|systemLibrary)\(name: "(C[A-Z][A-Za-z0-9]*)"/).map { String($0.output.1) })
    }

    /// Modules that the toolchain brings and that hold no I/O of their own.
    static let toolchain: Set<String> = ["Swift", "Synchronization"]

    /// What no file of ours imports: our programs carry no Foundation and no dispatch queues.
    static let banned: Set<String> = [
        "Foundation", "FoundationEssentials", "FoundationNetworking", "FoundationInternationalization", "Dispatch", "CDispatch",
    ]

    func findings(in file: SourceFile) -> [Finding] {
        guard let module = file.module else { return [] }
        guard let mayImport = allowed[module] else {
            return cModules.contains(module)
                ? [] : [Finding(file, 1, "no module(\"\(module)\", …) in Package.swift: add it there")]
        }
        return file.imports.compactMap { name, line in
            if Self.banned.contains(name) || Self.toolchain.contains(name) || mayImport.contains(name) || name == module {
                return nil
            }
            if name == "Glibc" {
                return module == "Kernel"
                    ? nil : Finding(file, line, "only Kernel imports Glibc: give Kernel the call that is needed")
            }
            return Finding(file, line, "\(module) may not import \(name): move the code, or decide the arrow in Package.swift")
        }
    }

    /// Foundation and its kin, anywhere, tests too.
    static func bannedImports(in file: SourceFile) -> [Finding] {
        file.imports.filter { banned.contains($0.module) }
            .map { Finding(file, $0.line, "no \($0.module) in this repository: use the standard library, Bytes or Kernel") }
    }

    /// C modules that more than one module may import, or none.
    var cModulesWithoutOneOwner: [String] {
        cModules.filter { c in allowed.values.count { $0.contains(c) } != 1 }.sorted()
    }
}
