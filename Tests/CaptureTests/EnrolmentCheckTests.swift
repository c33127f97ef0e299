// SPDX-License-Identifier: Apache-2.0

import Bytes
import Capture
import Kernel
import Testing

/// Which namespace a workload gets (I04), by names in a directory of the test's own.
@Suite(.serialized) struct EnrolmentCheckTests {
    private static let own = IPAddress("10.9.0.1") ?? .anyV4
    private static let foreign = IPAddress("10.9.0.9") ?? .anyV4

    private static func refusal(
        _ check: EnrolmentCheck, _ name: String, _ addresses: [IPAddress] = [], taken: [NamespaceIdentity: String] = [:]
    ) -> EnrolmentCheck.Refusal? {
        do throws(EnrolmentCheck.Refusal) {
            _ = try check.open(name, addresses: addresses, taken: taken)
            return nil
        } catch {
            return error
        }
    }

    @Test func `I04 a namespace with the workload's addresses is opened, and known by device and inode`() throws {
        let lab = try Lab()
        try lab.inDirectoryOfNames { names in
            let check = try EnrolmentCheck(directory: names)
            let v6 = try #require(IPAddress(Lab.workloadV6))
            let namespace = try check.open("web", addresses: [Self.own, v6], taken: [:])
            #expect(try namespace.identity == lab.workload.open().identity)
            #expect(check.identity(of: "web") == namespace.identity)
            #expect(check.names() == ["web": namespace.identity])
        }
    }

    @Test func `I04 an address that isn't there is refused with those that are`() throws {
        let lab = try Lab()
        try lab.inDirectoryOfNames { names in
            let check = try EnrolmentCheck(directory: names)
            let refusal = try #require(Self.refusal(check, "web", [Self.own, Self.foreign]))
            #expect(refusal.kind == "address_not_local")
            #expect(refusal.description == "address 10.9.0.9 isn't in network namespace 'web', which has 10.9.0.1, fd09::1")
            #expect(refusal.remedy.contains("ip -n web addr add 10.9.0.9/32 dev DEVICE"))
        }
    }

    @Test func `I04 the namespace of another workload is refused, under whatever name`() throws {
        let lab = try Lab()
        try lab.inDirectoryOfNames { names in
            let check = try EnrolmentCheck(directory: names)
            let taken = [try lab.workload.open().identity: "shop/db"]
            #expect(Self.refusal(check, "web", taken: taken) == .taken(name: "web", by: "shop/db"))
        }
    }

    /// Process 1's is looked at too, where it may be: a daemon in a container isn't in the host's.
    @Test(arguments: ["self", "1"].filter { (try? NetworkNamespace(path: "/proc/\($0)/ns/net", followLink: true)) != nil })
    func `I04 the host's own namespace is refused`(process: String) throws {
        try Self.inDirectory("touch host; mount --bind /proc/\(process)/ns/net host") { check in
            #expect(Self.refusal(check, "host") == .hostNamespace("host"))
            #expect(Self.refusal(check, "host")?.remedy.contains("ssh") == true)
        }
    }

    @Test func `I04 names that lead elsewhere are refused`() throws {
        try Self.inDirectory("touch plain; ln -s /proc/self/ns/net link; ln -s nowhere dangling; mkdir sub; mkfifo pipe") {
            check in
            for name in [
                "", ".", "..", "../netns/web", "sub/web", "/proc/1/ns/net", "a b", "a\u{0}b", "a\nb",
                String(repeating: "n", count: 256),
            ] {
                #expect(Self.refusal(check, name) == .invalidName(name))
            }
            #expect(Self.refusal(check, "web") == .missing("web"))
            #expect(Self.refusal(check, "link") == .link("link"))
            #expect(Self.refusal(check, "dangling") == .link("dangling"))
            #expect(Self.refusal(check, "plain") == .notANamespace("plain"))
            #expect(Self.refusal(check, "sub") == .notANamespace("sub"))
            #expect(Self.refusal(check, "pipe") == .notANamespace("pipe"))
            #expect(check.names() == [:])
        }
    }

    @Test func `I04 a name that comes to mean another namespace is another`() throws {
        let (first, second) = (try LabNamespace(), try LabNamespace())
        try Self.inDirectory("touch web; mount --bind \(first.path) web") { check, shell in
            let before = try #require(check.identity(of: "web"))
            let held = try first.open()
            try shell("umount web; rm web")
            #expect(check.identity(of: "web") == nil)
            try shell("touch web; mount --bind \(second.path) web")
            #expect(try check.identity(of: "web") == second.open().identity)
            #expect(check.identity(of: "web") != before)
            #expect(held.identity == before)
        }
    }

    @Test func `I04 the directory's watch tells that a name went`() throws {
        try Self.inDirectory("touch web") { check, shell in
            let watch = try DirectoryWatch()
            try watch.add(check.directory)
            #expect(try watch.drain() == false)
            try shell("rm web")
            #expect(try watch.drain())
        }
    }

    private static func inDirectory(_ script: String, _ body: (EnrolmentCheck) throws -> Void) throws {
        try inDirectory(script) { check, _ in try body(check) }
    }

    /// A directory on a file system that only a child's mount namespace has, prepared by a script; the second argument of the body runs further ones.
    private static func inDirectory(
        _ script: String, _ body: (EnrolmentCheck, (String) throws -> Void) throws -> Void
    ) throws {
        let directory = try run(["mktemp", "-d", "/tmp/warren-names-XXXXXX"]).split(separator: "\n").first.map(String.init) ?? ""
        defer { _ = try? run(["rmdir", directory]) }
        let holder = try Program([
            "unshare", "--mount", "sh", "-ec",
            "mount -t tmpfs none \(directory); cd \(directory); \(script); echo ready; while read l; do eval \"$l\"; echo done; done",
        ])
        guard try holder.line() == "ready" else { throw LabFailure("no directory") }
        try body(EnrolmentCheck(directory: "/proc/\(holder.id)/root\(directory)")) { command in
            holder.write("\(command)\n")
            guard try holder.line() == "done" else { throw LabFailure("\(command) failed") }
        }
        holder.endInput()
        _ = try holder.wait(seconds: 5)
    }
}
