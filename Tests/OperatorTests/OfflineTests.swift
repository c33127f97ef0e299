// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import Testing

@testable import Operator

private let mesh = """
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
    ---
    apiVersion: networking.istio.io/v1
    kind: WorkloadEntry
    metadata:
      name: web
      namespace: shop
      annotations: {warren.dev/node: host-a, warren.dev/network-namespace: web}
    spec: {address: 10.0.0.1, serviceAccount: web}

    """

/// A folder of a test's own, with files in it.
private func withFolder(_ files: [String: String], _ body: (String) throws -> Void) throws {
    let folder = try Files.makeTemporaryFolder()
    defer { Files.remove(folder) }
    for (name, text) in files { try Files.write(text, to: "\(folder)/\(name)") }
    try body(folder)
}

@Suite struct ValidateTests {
    @Test func `a right file exits with 0 and says what is in it`() throws {
        try withFolder(["mesh.yaml": mesh]) { folder in
            let desk = Desk()
            #expect(desk.run("validate", "-f", "\(folder)/mesh.yaml") == .ok)
            #expect(desk.output == "1 file, 2 resources: no error\n")
        }
    }

    @Test func `every finding has file, line, column, field and remedy, and an error exits with 1`() throws {
        let wrong = mesh.replacing("serviceAccount: web", with: "serviceAcount: web") + "---\nkind: 5\n"
        try withFolder(["mesh.yaml": wrong]) { folder in
            let desk = Desk()
            #expect(desk.run("validate", "-f", folder) == .failed)
            #expect(desk.output.contains("\(folder)/mesh.yaml:11:"))
            #expect(desk.output.contains("error WR0002 WorkloadEntry shop/web spec.serviceAcount: unknown field `serviceAcount`"))
            #expect(desk.output.contains("  → Did you mean `serviceAccount`?\n"))
            #expect(desk.output.contains("\(folder)/mesh.yaml:1"))
            #expect(desk.output.hasSuffix("errors\n") || desk.output.contains("errors, "))
        }
    }

    @Test func `findings for programs`() throws {
        try withFolder(["a.yaml": mesh, "b.yml": "not: [closed", "c.json": "{}", "ignored.txt": "x: [", ".hidden.yaml": "y: ["]) {
            folder in
            let desk = Desk()
            #expect(desk.run("validate", "-f", folder, "-o", "json") == .failed)
            let findings = try #require(try JSON.read(desk.output).sequenceValue)
            #expect(Set(findings.compactMap { $0["file"]?.stringValue }) == ["\(folder)/b.yml", "\(folder)/c.json"])
            #expect(findings.allSatisfy { $0["line"]?.integerValue != nil && $0["message"]?.stringValue != nil })
        }
    }

    @Test func `what can't be read says so`() throws {
        let desk = Desk()
        #expect(desk.run("validate", "-f", "/nowhere/mesh.yaml") == .failed)
        #expect(desk.errors.contains("/nowhere/mesh.yaml can't be read: no such file or directory"))
        #expect(desk.run("validate") == .usage)
        #expect(desk.run("validate", "-f", "/tmp", "--trust-domain", "NOT ONE") == .usage)
    }

    @Test func `a huge file is refused by its size, before it is understood`() throws {
        try withFolder([:]) { folder in
            let descriptor = try RunningCommand.run(["truncate", "-s", "100M", "\(folder)/huge.yaml"])
            #expect(descriptor.succeeded)
            let desk = Desk()
            #expect(desk.run("validate", "-f", folder) == .failed)
            #expect(desk.errors.contains("huge.yaml has more than 16 MiB"))
        }
    }
}

@Suite struct TranslateTests {
    @Test func `a cluster's name goes into uids`() throws {
        try withFolder(["mesh.yaml": mesh]) { folder in
            let desk = Desk()
            #expect(desk.run("translate", "-f", folder, "--cluster", "east") == .ok)
            let addresses = try #require(try JSON.read(desk.output)["addresses"]?.sequenceValue)
            #expect(addresses.first?["name"]?.stringValue?.hasPrefix("east/") == true)
            let yaml = Desk()
            #expect(yaml.run("translate", "-f", folder, "--cluster", "east", "-o", "yaml") == .ok)
            #expect(try YAML.read(yaml.output).first == JSON.read(desk.output))
        }
    }

    @Test func `with an error nothing is translated`() throws {
        try withFolder(["mesh.yaml": mesh + "---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {ports: 5}\n"]) {
            folder in
            let desk = Desk()
            #expect(desk.run("translate", "-f", folder) == .failed)
            #expect(desk.output.isEmpty)
            #expect(desk.errors.contains("error WR0003") && desk.errors.contains("nothing is translated"))
        }
    }
}

@Suite struct AuthorityTests {
    @Test func `an authority is made whole, keys for their owner alone, and never overwritten`() throws {
        try withFolder([:]) { folder in
            let desk = Desk()
            let ca = "\(folder)/deep/ca"
            #expect(desk.run("ca", "init", "-d", ca, "--trust-domain", "corp.example") == .ok)
            #expect(desk.output.contains("corp.example") && desk.output.contains("Next:"))
            for (name, mode) in [
                ("root.pem", 0o644), ("intermediate.pem", 0o644), ("root-key.pem", 0o600), ("intermediate-key.pem", 0o600),
            ] {
                #expect(try File.status("\(ca)/\(name)").mode == UInt32(mode))
            }
            let before = try Files.text("\(ca)/root.pem")
            #expect(desk.run("ca", "init", "-d", ca) == .failed)
            #expect(desk.errors.contains("is there already, and is not overwritten"))
            try File.remove("\(ca)/root-key.pem")
            #expect(desk.run("ca", "init", "-d", ca) == .failed)
            #expect(try Files.text("\(ca)/root.pem") == before)
            #expect(!Files.exists("\(ca)/root-key.pem"))
        }
    }

    @Test func `openssl agrees that the intermediate is signed by the root`() throws {
        try withFolder([:]) { folder in
            let desk = Desk()
            desk.now = .now()
            #expect(desk.run("ca", "init", "-d", folder) == .ok)
            let outcome = try RunningCommand.run(
                ["openssl", "verify", "-x509_strict", "-CAfile", "\(folder)/root.pem", "\(folder)/intermediate.pem"])
            #expect(outcome.succeeded, "\(outcome)")
        }
    }

    @Test func `a name that is no trust domain, and a place that can't be written, are told`() throws {
        let desk = Desk()
        #expect(desk.run("ca", "init", "--trust-domain", "Not One") == .usage)
        try withFolder(["file": ""]) { folder in
            #expect(desk.run("ca", "init", "-d", "\(folder)/file/ca") == .failed)
            #expect(desk.errors.contains("can't be written: not a directory"))
        }
    }
}

@Suite struct CompletionTests {
    /// What bash offers for a line whose last word is being typed.
    private func complete(_ words: [String]) throws -> [String] {
        let desk = Desk()
        #expect(desk.run("completion", "bash") == .ok)
        let list = words.map { "'\($0)'" }.joined(separator: " ")
        let script =
            "\(desk.output)\nCOMP_WORDS=(warren \(list)); COMP_CWORD=\(words.count); _warren; printf '%s\\n' \"${COMPREPLY[@]}\""
        let outcome = try RunningCommand.run(["bash", "-euo", "pipefail", "-c", script])
        #expect(outcome.succeeded, "\(outcome)")
        return outcome.out.split(separator: "\n").map(String.init)
    }

    @Test func `bash completes commands, second words, options and fixed values`() throws {
        #expect(try complete(["tu"]) == ["tunnels"])
        #expect(try complete([""]).count == Set(Warren.commands.compactMap(\.words.first)).count)
        #expect(try complete(["ca", ""]) == ["init", "intermediate"])
        #expect(try complete(["ca", "init", "--d"]) == ["--directory"])
        #expect(try complete(["tunnels", "--wi"]) == ["--wide"])
        #expect(try complete(["tunnels", "-o", "y"]) == ["yaml"])
        #expect(try complete(["connections", "--direction", "in"]) == ["inbound"])
        #expect(try complete(["completion", "z"]) == ["zsh"])
        #expect(try complete(["namespace", ""]) == ["list", "create", "delete", "enrol", "release"])
        #expect(try complete(["nodes", "e"]) == ["evict"])
        #expect(try complete(["get", "-o", "w"]) == ["wide"])
        #expect(try complete(["token", "create", "--role", "e"]) == ["editor"])
        #expect(try !complete(["get", ""]).contains { $0.hasPrefix("K") })
    }

    @Test func `fish gets a line for each command, operand and option`() {
        let desk = Desk()
        #expect(desk.run("completion", "fish") == .ok)
        let lines = desk.output.split(separator: "\n")
        #expect(
            lines.contains(
                "complete -c warren -n '__fish_is_nth_token 1' -a status -d '\(StatusCommand.command.summary.replacing("'", with: "\\'"))'"
            ))
        #expect(lines.contains { $0.contains("-n '__warren_in ca; and __fish_is_nth_token 2' -a init") })
        #expect(lines.contains { $0.contains("-n '__warren_in tunnels' -s o -l output -x -a 'table json yaml'") })
        #expect(lines.contains { $0.contains("-n '__warren_in ca init' -s d -l directory -r -F") })
        #expect(lines.contains("complete -c warren -n '__warren_in completion' -a 'bash zsh fish'"))
    }

    @Test func `zsh gets the same by its own way, another shell nothing`() {
        let desk = Desk()
        #expect(desk.run("completion", "zsh") == .ok)
        #expect(desk.output.hasPrefix("#compdef warren\n") && desk.output.contains("complete -F _warren warren"))
        #expect(desk.run("completion", "tcsh") == .usage)
        #expect(desk.run("completion") == .usage)
    }
}

@Suite struct ReferenceTests {
    @Test func `docs/cli.md is what the table of commands says`() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let desk = Desk()
        #expect(desk.run("reference", "cli") == .ok)
        let isSame = try Files.text("/\(root)/docs/cli.md") == desk.output
        #expect(isSame, "write it anew: warren reference cli > docs/cli.md")
        for command in Warren.commands { #expect(desk.output.contains("## warren \(command.name)\n")) }
    }

    @Test func `the configuration's page is printed too, another is not`() {
        let desk = Desk()
        #expect(desk.run("reference", "configuration") == .ok)
        #expect(desk.output.hasPrefix("# Configuration of warrend"))
        #expect(desk.run("reference", "else") == .usage)
    }
}
