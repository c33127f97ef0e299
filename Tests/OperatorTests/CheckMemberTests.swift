// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Documents
import Kernel
import Support
import TLS
import Testing

@testable import Operator

/// A host that joined, which a test then breaks in one place.
private final class MemberLab {
    let folder: String
    let desk = Desk()
    var configuration: String
    private let authority: CertificateAuthority

    init() throws {
        folder = try Files.makeTemporaryFolder()
        desk.now = .now()
        authority = try CertificateAuthority.createRoot(trustDomain: "cluster.local", now: desk.now.seconds)
        configuration = "node: host-b\ncontrol:\n  addresses: [a.example:15012, 10.0.0.2:15012]\n  directory: \(folder)/node\n"
        desk.answers["/status"] = ["version": .string(warrenVersion), "ready": true, "uptimeSeconds": 5, "process": 1]
        desk.answers["/check"] = ["facts": []]
        desk.plane.answers["GET /warren/v1/roots"] = FakePlane.ok([:])
        try Files.makeFolder("\(folder)/node")
        try join("host-b", now: desk.now.seconds)
    }

    deinit { Files.remove(folder) }

    func join(_ name: String, now: Int64) throws {
        let key = PrivateKey.generate()
        let node = try #require(NodeIdentity(trustDomain: "cluster.local", name: name))
        let chain = try authority.issue(node: node, publicKey: key.publicKey, now: now, lifetime: 3600)
        try File.replace("\(folder)/node/key.pem", with: key.pem, mode: 0o600)
        try File.replace("\(folder)/node/certificate.pem", with: chain.pem, mode: 0o600)
        try File.replace("\(folder)/node/roots.pem", with: authority.roots.pem, mode: 0o600)
    }

    /// The results about membership and the control plane.
    func check() throws -> [Value] {
        try Files.write(configuration, to: "\(folder)/warrend.yaml")
        let before = desk.output.utf8.count
        desk.run("check", "--config", "\(folder)/warrend.yaml", "-o", "json")
        let all = try #require(try JSON.read(Array(desk.output.utf8.dropFirst(before))).sequenceValue)
        #expect(!all.contains { ["mesh", "authority", "authority.key"].contains($0["name"]?.stringValue) })
        #expect(all.allSatisfy { $0["result"]?.stringValue == "ok" || $0["remedy"]?.stringValue?.isEmpty == false })
        return all.filter { ["member", "member.key", "control plane", "clock"].contains($0["name"]?.stringValue) }
    }

    func failures() throws -> [String] {
        try check().filter { $0["result"]?.stringValue == "failed" }.compactMap { $0["message"]?.stringValue }
    }
}

@Suite struct CheckMemberTests {
    @Test func `a member in order needs neither mesh files nor an authority`() throws {
        let lab = try MemberLab()
        let results = try lab.check()
        #expect(results.map { $0["name"]?.stringValue } == ["member", "control plane", "control plane"])
        #expect(results.allSatisfy { $0["result"]?.stringValue == "ok" }, "\(results)")
        #expect(lab.desk.endpoints.map(\.place.url) == ["https://a.example:15012", "https://10.0.0.2:15012"])
        #expect(lab.desk.endpoints.allSatisfy { $0.token == nil && $0.key.isEmpty })
    }

    @Test func `what is wrong with the certificate is named`() throws {
        let lab = try MemberLab()
        try lab.join("host-z", now: lab.desk.now.seconds)
        #expect(try lab.failures() == ["this host joined as host-z, but the configuration calls it host-b"])
        try lab.join("host-b", now: lab.desk.now.seconds)
        let now = lab.desk.now.seconds
        lab.desk.now = WallTime(seconds: now + 7200)
        #expect(try lab.failures().first?.contains("ended") == true)
        lab.desk.now = WallTime(seconds: now - 7200)
        #expect(try lab.failures().first?.contains("the clock is behind") == true)
        lab.desk.now = WallTime(seconds: now)
        #expect(try RunningCommand.run(["chmod", "640", "\(lab.folder)/node/key.pem"]).succeeded)
        #expect(try lab.failures().first?.contains("its mode is 0640") == true)
        try File.replace("\(lab.folder)/node/key.pem", with: PrivateKey.generate().pem, mode: 0o600)
        #expect(try lab.failures().first?.contains("don't belong together") == true)
        try Files.write("rubbish", to: "\(lab.folder)/node/certificate.pem")
        #expect(try lab.failures().first?.contains("can't be used") == true)
        try File.remove("\(lab.folder)/node/roots.pem")
        #expect(try lab.failures() == ["\(lab.folder)/node/roots.pem isn't there"])
        lab.configuration = lab.configuration.replacing(
            "node: host-b\n", with: "node: host-b\nmesh: {trustDomain: corp.example}\n")
        try lab.join("host-b", now: lab.desk.now.seconds)
        #expect(try lab.failures().first?.contains("mesh.trustDomain is corp.example") == true)
    }

    @Test func `a control plane that is away is named`() throws {
        let lab = try MemberLab()
        lab.desk.plane.failure = ControlFailure("nobody answers", isUnreachable: true)
        #expect(try lab.failures() == ["a.example:15012: nobody answers", "10.0.0.2:15012: nobody answers"])
    }
}
