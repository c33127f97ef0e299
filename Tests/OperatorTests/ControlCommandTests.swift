// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support
import TLS
import Testing

@testable import Operator

/// `warren control …`: the authority, backups, restoring.
@Suite struct ControlCommandTests {
    private static let status: Value = [
        "trustDomain": "cluster.local", "source": "directory", "phase": "introduced", "since": "2027-01-15T07:00:00Z",
        "next": "a new root was introduced, and use-root or abandon-root follows",
        "roots": .array([
            ["subject": "CN=Warren root", "sha256": "aa", "notAfter": "2037-01-13T07:00:00Z", "signs": true],
            ["subject": "CN=Warren root 3", "sha256": "bb", "notAfter": "2037-01-15T07:00:00Z", "signs": false],
        ]), "intermediate": ["subject": "CN=Warren intermediate", "serial": "01", "notAfter": "2028-01-15T07:00:00Z"],
    ]

    private func answer(_ value: Value) -> ControlAnswer { ControlAnswer(status: 200, body: value.jsonBytes) }

    @Test func `the authority is shown with who signs and what comes next`() {
        let desk = Desk()
        desk.plane.answers["GET /warren/v1/authority"] = answer(Self.status)
        #expect(desk.run("control", "authority") == .ok)
        #expect(desk.output.contains("root          yes") && desk.output.contains("root          no"), "\(desk.output)")
        #expect(
            desk.output.hasSuffix(
                "introduced since 2027-01-15T07:00:00Z: a new root was introduced, and use-root or abandon-root follows.\n"))
        #expect(desk.run("control", "authority", "-o", "json") == .ok)
        #expect(desk.output.contains("\"phase\": \"introduced\""))
    }

    @Test(arguments: ["intermediate", "introduce-root", "use-root", "drop-root", "abandon-root", "adopt"])
    func `each step is asked for as it is, and forced only if that is said`(step: String) throws {
        let desk = Desk()
        desk.plane.answers["POST /warren/v1/authority/rotate"] = answer(Self.status)
        #expect(desk.run("control", "rotate", step) == .ok)
        #expect(try JSON.read(try #require(desk.plane.requests.last).body) == ["step": .string(step), "force": false])
        #expect(desk.run("control", "rotate", step, "--force") == .ok)
        #expect(try JSON.read(try #require(desk.plane.requests.last).body) == ["step": .string(step), "force": true])
    }

    @Test func `a step that there isn't is wrong usage, and one out of turn is told in the control plane's words`() {
        let desk = Desk()
        for words in [[], ["root"], ["use-root", "drop-root"]] as [[String]] {
            #expect(Warren.run(["control", "rotate"] + words, desk.session) == .usage)
        }
        #expect(desk.plane.requests.isEmpty)
        let words = "use-root must wait until 2027-01-16T07:00:00Z"
        desk.plane.answers["POST /warren/v1/authority/rotate"] = ControlAnswer(
            status: 409, body: (["kind": "Status", "message": .string(words), "reason": "Conflict"] as Value).jsonBytes)
        #expect(desk.run("control", "rotate", "use-root") == .failed)
        #expect(desk.errors.contains(words))
    }

    // MARK: - Backups

    private func backup(_ body: String = "{}\n") -> [UInt8] {
        Array("warren-backup 1 \(SHA256.hex(Array(body.utf8)))\n\(body)".utf8)
    }

    @Test func `I22 a backup is written whole, for its owner alone, with the keys only under a passphrase`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let desk = Desk()
        desk.plane.answers["POST /warren/v1/backup"] = ControlAnswer(status: 200, body: backup())
        #expect(desk.run("control", "backup", "\(folder)/mesh") == .ok)
        #expect(try File.read("\(folder)/mesh", limit: 1000) == backup() && File.status("\(folder)/mesh").mode & 0o777 == 0o600)
        #expect(desk.plane.requests.last?.body == Array("{}".utf8))
        try File.replace("\(folder)/phrase", with: Array("correct horse battery\nnot this\n".utf8), mode: 0o600)
        #expect(desk.run("control", "backup", "\(folder)/mesh", "--passphrase-file", "\(folder)/phrase") == .ok)
        #expect(try JSON.read(try #require(desk.plane.requests.last).body) == ["passphrase": "correct horse battery"])
        // One that others may read is no secret.
        try File.replace("\(folder)/open", with: Array("correct horse battery\n".utf8), mode: 0o644)
        let before = desk.plane.requests.count
        #expect(desk.run("control", "backup", "\(folder)/mesh", "--passphrase-file", "\(folder)/open") == .failed)
        #expect(desk.errors.contains("chmod 600") && desk.plane.requests.count == before)
    }

    @Test func `an answer that was cut is no backup`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        for bytes in [[], Array(backup().dropLast()), Array("<html>".utf8)] {
            let desk = Desk()
            desk.plane.answers["POST /warren/v1/backup"] = ControlAnswer(status: 200, body: bytes)
            #expect(desk.run("control", "backup", "\(folder)/mesh") == .failed)
            #expect(desk.errors.contains("no whole backup") && (try? File.status("\(folder)/mesh")) == nil)
        }
    }

    @Test func `restoring is the control plane's program's, and its outcome is told`() {
        let desk = Desk()
        #expect(desk.run("control", "restore", "mesh", "--passphrase-file", "phrase", "--replace") == .ok)
        #expect(desk.programs == [["warren-control", "restore", "mesh", "--passphrase-file", "phrase", "--replace"]])
        desk.execute = { _ in .exited(69) }
        #expect(desk.run("control", "restore", "mesh") == .failed)
        desk.execute = { _ in nil }
        #expect(desk.run("control", "restore", "mesh") == .failed)
        #expect(desk.errors.contains("on the control plane's host"))
        #expect(desk.run("control", "restore") == .usage)
    }
}
