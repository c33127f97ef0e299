// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh
import Testing
import Tunnel

@testable import NodeProxy

/// What the authority of a CONNECT may mean at a workload, row by row as ztunnel was observed and as we decided where it differs.
@Suite struct InboundTargetTests {
    private static let mesh =
        TestNode.namespace + TestNode.workload("db-1", "10.0.0.5") + TestNode.workload("web-1", "10.0.0.1")
        + TestNode.service("db", "10.96.0.5", ports: "{name: main, port: 80, targetPort: 8080}, {name: same, port: 9000}")
        + TestNode.service("mesh-port", "10.96.0.6", ports: "{name: main, port: 80, targetPort: 15008}")
        + TestNode.service("db", "10.96.0.7", ports: "{name: main, port: 80, targetPort: 7777}", namespace: "other")

    private func resolve(_ authority: String, at local: IPAddress? = IPAddress("10.0.0.5"), uid: String = "db-1") throws
        -> Result<SocketAddress, ConnectionFailure>
    {
        let snapshot = TestNode.snapshot(Self.mesh)
        let workload = try TestNode.workload(uid, in: snapshot, credential: TestAuthority().credential("db"))
        return InboundTarget.resolve(authority, at: local, for: workload.shared.uid, in: snapshot)
    }

    @Test(arguments: [
        ("10.0.0.5:80", "10.0.0.5:80"), ("10.0.0.5:65535", "10.0.0.5:65535"), ("10.0.0.5:1", "10.0.0.5:1"),
        // A service of the mesh, by its port; the port behind it is this workload's.
        ("db.shop.svc.cluster.local:80", "10.0.0.5:8080"), ("db.shop.svc.cluster.local:9000", "10.0.0.5:9000"),
        // An address in another spelling is the same address.
        ("[::ffff:10.0.0.5]:80", "10.0.0.5:80"),
    ]) func `what may be meant is where the application listens`(_ authority: String, _ target: String) throws {
        #expect(try resolve(authority).get() == SocketAddress(target))
    }

    @Test func `an IPv6 workload is reached by its address in brackets`() throws {
        let local = IPAddress("2001:db8::5")
        #expect(try resolve("[2001:db8::5]:80", at: local).get() == SocketAddress("[2001:db8::5]:80"))
        #expect(throws: ConnectionFailure.self) { try resolve("2001:db8::5:80", at: local).get() }
        #expect(throws: ConnectionFailure.self) { try resolve("[2001:db8::6]:80", at: local).get() }
        #expect(throws: ConnectionFailure.self) { try resolve("[2001:db8::5%eth0]:80", at: local).get() }
    }

    @Test(arguments: [
        // An address that isn't this workload's.
        "10.0.0.6:80", "127.0.0.1:80", "0.0.0.0:80", "[::1]:80", "[::]:80", "255.255.255.255:80", "10.96.0.5:80",
        // A name that nobody knows, or that has no such port.
        "nobody.example:80", "db.shop.svc.cluster.local:81", "db:80", "DB.shop.svc.cluster.local:80",
        "db.shop.svc.cluster.local.:80",
        "localhost:80",
        // No port, and what is none.
        "10.0.0.5", "10.0.0.5:", "10.0.0.5:65536", "10.0.0.5:99999999999999999999", "10.0.0.5:-1", "10.0.0.5:+80",
        "10.0.0.5:0x50",
        "10.0.0.5:80 ", " 10.0.0.5:80", "10.0.0.5:8 0", "10.0.0.5:٨٠",
        "db.shop.svc.cluster.local", "db.shop.svc.cluster.local:", "db.shop.svc.cluster.local:0",
        "db.shop.svc.cluster.local:65536",
        // Empty and garbage.
        "", ":", ":80", "::", "[]:80", "[10.0.0.5]:80", "\u{0}", "10.0.0.5:80/path", "http://10.0.0.5:80", "%31%30.0.0.5:80",
        // Port 0, and somebody in front.
        "10.0.0.5:0", "user@10.0.0.5:80", "user:pass@10.0.0.5:80", "@10.0.0.5:80",
        // The mesh's own ports, and a service that leads to one.
        "10.0.0.5:15001", "10.0.0.5:15006", "10.0.0.5:15008", "mesh-port.shop.svc.cluster.local:80",
        // Numbers that other parsers read as addresses.
        "167772165:80", "0x0a000005:80", "10.5:80", "012.0.0.5:80",
    ]) func `what can't be meant is a bad request, whose reason is one printable line`(_ authority: String) throws {
        guard case .failure(let failure) = try resolve(authority) else {
            Issue.record("taken: \(authority)")
            return
        }
        #expect(failure.status == 400)
        #expect(failure.kind == .noRoute)
        #expect(failure.reason.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "\(failure.reason)")
        #expect(failure.reason.utf8.count < 200)
    }

    @Test(arguments: [1_000, 100_000]) func `a long authority costs nothing and isn't repeated in the log`(_ count: Int) throws {
        for text in ["a", "1", ".", ":", "é"] {
            guard case .failure(let failure) = try resolve(String(repeating: text, count: count) + ":80") else {
                Issue.record("taken")
                continue
            }
            #expect(failure.status == 400)
            #expect(failure.reason.utf8.count < 200)
        }
    }

    @Test func `where the tunnel's own address isn't known nothing can be meant`() throws {
        for authority in ["10.0.0.5:80", "db.shop.svc.cluster.local:80"] {
            #expect(throws: ConnectionFailure.self) { try resolve(authority, at: nil).get() }
        }
    }

    @Test func `a service without this workload leads to no port of it`() throws {
        // web-1 is no endpoint of db: the name doesn't mean web-1.
        #expect(throws: ConnectionFailure.self) {
            try resolve("db.shop.svc.cluster.local:80", at: IPAddress("10.0.0.1"), uid: "web-1").get()
        }
    }
}
