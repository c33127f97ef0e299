// SPDX-License-Identifier: Apache-2.0

import Bytes
import Daemon
import Kernel
import Support
import Testing

@testable import NodeProxy

/// What two daemons say to each other, and what they leave for others.
@Suite struct HandoverTests {
    private static func workload() throws -> InheritedWorkload {
        let plan = EnrolmentPlan(
            uid: "cluster//Pod/shop/web", name: "shop/web", identity: try TestNode.identity("web"),
            addresses: [try #require(IPAddress("10.0.0.1")), try #require(IPAddress("fd00::1"))], network: "n",
            namespaceName: "web",
            dropsNonTCP: true, keepalive: Keepalive())
        return InheritedWorkload(
            plan: plan, namespace: NamespaceIdentity(device: 4, inode: .max), isDraining: true)
    }

    @Test func `every message is read as it was written`() throws {
        let workload = try Self.workload()
        let items: [HandoverItem] =
            [.lock, .probe(.v4), .probe(.v6), .workload(workload)]
            + HandoverItem.Service.allCases.map { .service($0, place: "15020") }
            + WorkloadListener.Port.allCases.map { .listener($0, workload.namespace) }
        let messages: [HandoverMessage] =
            [
                .hello(version: "1"), .offer(version: "1", items: 3), .take(7), .built, .go, .serving, .draining,
                .refused("no"), .who, .server(version: "1", process: 12), .detach, .detached(process: 13),
            ] + items.map { .item($0) }
        for message in messages { #expect(try HandoverMessage.read(message.bytes) == message) }
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"protocol":1}"#, #"{"protocol":2,"say":"hello","version":"1"}"#, #"{"protocol":1,"say":"hallo"}"#,
        #"{"protocol":1,"say":"take","index":-99999999999999999999}"#, #"{"protocol":1,"say":"offer","version":"1","items":-1}"#,
        #"{"protocol":1,"say":"item","item":{"kind":"listener","port":"inbound","namespace":{"device":"1"}}}"#,
        #"{"protocol":1,"say":"detached","process":4294967296}"#,
    ])
    func `what isn't a message is refused with a reason`(text: String) {
        #expect(throws: HandoverFailure.self) { _ = try HandoverMessage.read(Array(text.utf8)) }
    }

    @Test func `I24 a descriptor that isn't what its item says isn't taken`() throws {
        let listener = { try Socket.listen(SocketAddress(.anyV4, 0), backlog: 1) }
        let home = try NetworkNamespace.current().identity
        for item in [
            HandoverItem.lock, .service(.metrics, place: "15020"), .service(.admin, place: "/run/x"), .probe(.v4),
            .listener(.hbone, home), .workload(try Self.workload()),
        ] {
            let inheritance = Inheritance()
            #expect(throws: HandoverFailure.self) { try inheritance.add(item, try listener(), runDirectory: "/nowhere") }
            let isNone = inheritance.claim(item) == nil
            #expect(isNone, "\(item)")
        }
        let inheritance = Inheritance()
        #expect(throws: HandoverFailure.self) { try inheritance.add(.lock, nil, runDirectory: "/nowhere") }
    }

    @Test func `I24 what a process left behind that ended is removed, and one that lives is told`() throws {
        let folder = try Files.makeTemporaryFolder()
        defer { Files.remove(folder) }
        let generations = Generations(runDirectory: folder)
        let (living, dead): (CInt, CInt) = (2_000_000_001, 2_000_000_002)
        let lock = try generations.enter(living)
        _ = try generations.enter(dead)
        for process in [living, dead] {
            try generations.write(
                GenerationInfo(process: process, version: "1", since: WallTime(seconds: 5), open: ["a": 2, "b": 3], tunnels: 1))
        }
        let found = generations.live()
        #expect(found.map(\.process) == [living] && found.first?.connections == 5 && found.first?.open["b"] == 3)
        #expect(try File.names(in: generations.folder) == ["\(living).json", "\(living).lock"])
        lock.close()
        #expect(generations.live().isEmpty)
        #expect(try File.names(in: generations.folder).isEmpty)
    }
}
