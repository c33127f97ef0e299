// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Mesh
import Support
import Testing

@testable import NodeProxy

/// The mesh from files: what is taken over, what is refused and why, and that nothing opens by accident (I18).
@Suite struct MeshFilesTests {
    private final class Place {
        let folder: String
        let options = MeshOptions()

        init(_ files: [String: String] = [:]) throws {
            folder = try Files.makeTemporaryFolder()
            for (name, text) in files { try Files.write(text, to: "\(folder)/\(name)") }
        }

        deinit { Files.remove(folder) }

        func load(_ path: String = "", after old: MeshState = MeshState(), allowEmpty: Bool = false) -> Result<
            LoadedMesh, MeshRefusal
        > {
            MeshFiles(path: folder + path).load(options: options, after: old, revision: 7, allowEmpty: allowEmpty)
        }

        /// Why it is refused; records a failure of the test if it isn't.
        func refusal(_ path: String = "", after old: MeshState = MeshState(), _ location: SourceLocation = #_sourceLocation)
            throws -> MeshRefusal
        {
            guard case .failure(let refusal) = load(path, after: old) else { throw Taken() }
            return refusal
        }
    }

    private struct Taken: Error {}

    private static let web = TestNode.namespace + TestNode.workload("web-1", "10.0.0.1")
    private static let deny = TestNode.policy("deny", "{action: DENY, rules: [{}]}")

    // MARK: - What is read

    @Test func `one file is a mesh`() throws {
        let place = try Place(["mesh.yaml": Self.web])
        let mesh = try place.load("/mesh.yaml").get()
        #expect(mesh.snapshot.workloads.count == 1)
        #expect(mesh.snapshot.revision == 7)
        #expect(MeshFiles(path: "\(place.folder)/mesh.yaml").folder == place.folder)
    }

    @Test func `a folder's resources are one mesh; what isn't a resource file isn't looked at`() throws {
        let place = try Place([
            "1-namespace.yaml": TestNode.namespace, "2-web.yml": TestNode.workload("web-1", "10.0.0.1"),
            "3-db.json":
                #"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "shop"},"#
                + #" "spec": {"clusterIP": "10.96.0.5", "selector": {"app": "db"}, "ports": [{"port": 80}]}}"#,
            "notes.txt": "not: [yaml", ".hidden.yaml": "not: [yaml", "mesh.yaml~": "not: [yaml", "mesh.yaml.draft": "not: [yaml",
        ])
        let mesh = try place.load().get()
        #expect(mesh.state.workloads.count == 1)
        #expect(mesh.state.services.count == 1)
        #expect(mesh.state.local.count { $0.captured } == 1)
        #expect(MeshFiles(path: place.folder).folder == place.folder)
    }

    @Test func `a mesh that isn't there is refused, with the setting that says where it is`() throws {
        let place = try Place()
        for path in ["/missing.yaml", "/missing/mesh.yaml"] {
            let refusal = try place.refusal(path)
            #expect(refusal.reason.contains("\(place.folder)\(path)"))
            #expect(refusal.reason.contains("mesh.path"))
        }
    }

    @Test func `a folder or a pipe where a file should be is refused, and nobody waits for the pipe`() throws {
        let place = try Place(["web.yaml": Self.web])
        try Files.makeFolder("\(place.folder)/more.yaml")
        #expect(try place.refusal().reason.contains("more.yaml"))
        Files.remove("\(place.folder)/more.yaml")
        try Files.makePipe("\(place.folder)/pipe.yaml")
        #expect(try place.refusal().reason.contains("pipe.yaml"))
        #expect(try place.refusal("/pipe.yaml").reason.contains("pipe.yaml"))
    }

    @Test func `a link is followed, and one that leads nowhere is refused`() throws {
        let place = try Place(["target": Self.web])
        try Files.link("\(place.folder)/mesh.yaml", to: "\(place.folder)/target")
        #expect(try place.load().get().state.workloads.count == 1)
        try Files.link("\(place.folder)/more.yaml", to: "\(place.folder)/nowhere")
        #expect(try place.refusal().reason.contains("more.yaml"))
    }

    @Test func `a file of no sensible size is refused, with the remedy`() throws {
        let place = try Place()
        let comment = [UInt8](repeating: UInt8(ascii: "#"), count: (16 << 20) + 1)
        try File.replace("\(place.folder)/huge.yaml", with: comment, mode: 0o644)
        let refusal = try place.refusal()
        #expect(refusal.reason.contains("huge.yaml has more than 16 MiB"))
        #expect(refusal.reason.contains("split it"))
    }

    @Test func `files that together have no sensible size are refused`() throws {
        let place = try Place()
        let comment = [UInt8](repeating: UInt8(ascii: "#"), count: 15 << 20)
        for number in 0..<5 { try File.replace("\(place.folder)/\(number).yaml", with: comment, mode: 0o644) }
        #expect(try place.refusal().reason.contains("more than 64 MiB"))
    }

    // MARK: - What is refused

    @Test func `an error is told with file, line, field and remedy, and nothing is taken over`() throws {
        let place = try Place([
            "good.yaml": Self.web,
            "bad.yaml": """
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: db-1, namespace: shop}
            spec: {address: 10.0.0.5,
              adress: 10.0.0.5}
            """,
        ])
        let refusal = try place.refusal()
        #expect(refusal.reason.contains("error") && refusal.reason.contains(place.folder))
        let finding = try #require(refusal.findings.first { $0.line == 5 })
        #expect(finding.file == "\(place.folder)/bad.yaml")
        #expect(finding.field == "spec.adress")
        #expect(finding.remedy.contains("address"))
    }

    @Test func `errors of all files are told together`() throws {
        let place = try Place([
            "a.yaml": "kind: Nonsense\n", "b.yaml": "not: [yaml", "c.yaml": Self.web, "d.yaml": "\u{0}\u{1}\u{2}",
        ])
        let refusal = try place.refusal()
        for name in ["a.yaml", "b.yaml", "d.yaml"] {
            #expect(refusal.findings.contains { $0.description.contains(name) }, "\(name): \(refusal.findings)")
        }
    }

    @Test func `one name in two files is an error`() throws {
        let place = try Place(["a.yaml": Self.web, "b.yaml": TestNode.workload("web-1", "10.0.0.2")])
        #expect(try place.refusal().findings.contains { $0.description.contains("web-1") })
    }

    @Test func `what is only odd is taken with a warning`() throws {
        let place = try Place(["mesh.yaml": Self.web + TestNode.policy("audit", "{action: AUDIT, rules: [{}]}")])
        #expect(try place.load().get().warnings.contains { $0.description.contains("audit") })
    }

    // MARK: - I18

    @Test func `I18 an emptied mesh is refused unless somebody means it`() throws {
        let before = TestNode.state(Self.web)
        for files in [[:], ["mesh.yaml": ""], ["mesh.yaml": "# nothing\n---\n---\n"]] {
            let place = try Place(files)
            let refusal = try place.refusal(after: before)
            #expect(refusal.reason.contains("mesh.allowEmpty"))
            #expect(try place.load(after: before, allowEmpty: true).get().state.workloads.isEmpty)
            #expect(try place.load().get().state.workloads.isEmpty, "where nothing was before there is nothing to lose")
        }
    }

    @Test func `I18 a mesh that lost its last policy is refused, one that lost some isn't`() throws {
        let other = TestNode.policy("other", "{action: ALLOW, rules: [{}]}")
        let before = TestNode.state(Self.web + Self.deny + other)
        let without = try Place(["mesh.yaml": Self.web])
        #expect(try without.refusal(after: before).reason.contains("none of the 2 policies"))
        #expect(try without.load(after: before, allowEmpty: true).get().state.authorizations.isEmpty)
        let fewer = try Place(["mesh.yaml": Self.web + Self.deny])
        #expect(try fewer.load(after: before).get().state.authorizations.count == 1)
    }

    @Test func `I18 a mesh that would release every workload is refused, one that releases some isn't`() throws {
        let both = Self.web + TestNode.workload("db-1", "10.0.0.5")
        let before = TestNode.state(both)
        let unlabelled = both.replacing("{istio.io/dataplane-mode: ambient}", with: "{}")
        let place = try Place(["mesh.yaml": unlabelled])
        #expect(try place.refusal(after: before).reason.contains("release all 2"))
        let fewer = try Place(["mesh.yaml": Self.web])
        #expect(try fewer.load(after: before).get().state.local.count { $0.captured } == 1)
    }

    @Test func `I18 half a file is an error or the half that it is, never less than what stays`() throws {
        // A file cut anywhere: an error, a refusal, or a mesh that still holds the workload.
        let whole = Array((Self.web + Self.deny).utf8)
        let before = TestNode.state(Self.web + Self.deny)
        for count in stride(from: 0, to: whole.count, by: 7) {
            let place = try Place(["mesh.yaml": String(decoding: whole[..<count], as: UTF8.self)])
            if case .success(let mesh) = place.load(after: before) {
                #expect(!mesh.state.authorizations.isEmpty, "cut at \(count)")
                #expect(mesh.state.local.contains { $0.captured }, "cut at \(count)")
            }
        }
    }
}
