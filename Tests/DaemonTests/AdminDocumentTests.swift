// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Telemetry
import Testing

@testable import Daemon

private let web = "spiffe://cluster.local/ns/shop/sa/web"

private func workload(_ name: String, _ address: UInt32) -> WorkloadInfo {
    WorkloadInfo(
        uid: "Kubernetes//WorkloadEntry/shop/\(name)", name: name, namespace: "shop", addresses: [IPAddress(v4: address)],
        network: "", node: "host-a", identity: "spiffe://cluster.local/ns/shop/sa/\(name)", trustDomain: "cluster.local",
        serviceAccount: name, speaksHBONE: true, workloadName: name, workloadType: "deployment", canonicalName: name,
        canonicalRevision: "latest", clusterID: "Kubernetes", isHealthy: true, isLocal: true)
}

private func connection(_ direction: AccessLogRecord.Direction) -> ConnectionInfo {
    ConnectionInfo(
        id: 7, workload: "shop/web", direction: direction, local: SocketAddress(IPAddress(v4: 0x0a00_0001), 40000),
        remote: SocketAddress(IPAddress(v4: 0x0a00_0002), 15008), target: "10.96.0.5:5432", path: .hbone, remoteIdentity: web,
        received: 5, sent: 6, age: .milliseconds(1500), state: "open", loop: 1)
}

@Suite struct AdminDocumentTests {
    @Test func `a connection tells what is known and leaves out the rest`() {
        #expect(
            connection(.outbound).document.json == """
                {"id":7,"workload":"shop/web","direction":"outbound","local":"10.0.0.1:40000","remote":"10.0.0.2:15008",\
                "target":"10.96.0.5:5432","protocol":"hbone","remoteIdentity":"\(web)",\
                "bytesReceived":5,"bytesSent":6,"ageSeconds":1.5,"state":"open","loop":1}
                """)
    }

    @Test func `a list says how many there are when it isn't whole`() {
        let document = AdminDocument.connections([connection(.inbound)], total: 12_345)
        #expect(document["total"]?.integerValue == 12_345)
        #expect(document["connections"]?.sequenceValue?.count == 1)
        #expect(AdminDocument.tunnels([])["total"]?.integerValue == 0)
    }

    @Test func `a refused workload says why`() {
        var info = workload("web", 1)
        info.capture = .refused(reason: "its address isn't local there")
        #expect(info.document["captureState"]?.stringValue == "refused")
        #expect(info.document["captureReason"]?.stringValue == "its address isn't local there")
        info.capture = .captured
        #expect(info.document["captureReason"] == nil)
    }

    @Test(arguments: [(-1, false), (0, true), (99, true), (100, false)])
    func `a certificate is valid from its first second to before its last`(offset: Int64, isValid: Bool) {
        let link = CertificateInfo.Link(serial: "ff", notBefore: WallTime(seconds: 1000), notAfter: WallTime(seconds: 1100))
        let document = CertificateInfo(identity: web, status: .available, chain: [link]).document(
            now: WallTime(seconds: 1000 + offset))
        #expect(document["valid"]?.boolValue == isValid)
        #expect(document["expiresInSeconds"]?.integerValue == 100 - offset)
    }

    @Test func `an identity without a certificate isn't valid`() {
        let info = CertificateInfo(identity: web, status: .unavailable(reason: "the CA's key is gone"))
        #expect(info.document(now: WallTime(seconds: 0))["valid"]?.boolValue == false)
        #expect(info.document(now: WallTime(seconds: 0))["reason"]?.stringValue == "the CA's key is gone")
    }

    @Test func `logging tells every scope`() {
        let levels = LogLevels(.warn, scopes: [.tunnel: .debug])
        let document = AdminDocument.logging(levels)["levels"]
        #expect(document?.mappingValue?.count == LogScope.allCases.count)
        #expect(document?["tunnel"]?.stringValue == "debug" && document?["mesh"]?.stringValue == "warn")
    }

    @Test func `status and facts are told with their remedies`() {
        let status = StatusInfo(
            node: "host-a", process: 42, started: WallTime(seconds: 0), uptime: .seconds(3), pending: ["mesh"], loops: 2,
            trustDomain: "cluster.local", meshPath: "/etc/warren/mesh", meshRevision: 0)
        #expect(status.document["ready"]?.boolValue == false)
        #expect(status.document["version"]?.stringValue == warrenVersion)
        #expect(status.document["meshLoaded"] == nil)
        let facts = AdminDocument.check([CheckFact("capture", .failed, "no rules", remedy: "Load them.")])
        #expect(facts["facts"]?.sequenceValue?.first?["remedy"]?.stringValue == "Load them.")
    }
}

/// The shapes that `istioctl ztunnel-config` reads: names in camel case, virtual addresses with their network, decimal serials.
@Suite struct ConfigDumpTests {
    private var dump: Value {
        var captured = workload("web", 0x0a00_0001)
        captured.capture = .captured
        let service = ServiceInfo(
            name: "db", namespace: "shop", hostname: "db.shop.svc.cluster.local", addresses: ["/10.96.0.5"], ports: [(5432, 0)],
            endpoints: [
                .init(
                    workloadUID: "Kubernetes//WorkloadEntry/shop/db", workload: "shop/db", addresses: ["10.0.0.2"],
                    ports: [(5432, 5432)], isHealthy: false)
            ])
        let link = CertificateInfo.Link(
            serial: "0100", notBefore: WallTime(seconds: 0), notAfter: WallTime(seconds: 60), pem: "PEM")
        return ConfigDump(
            workloads: [captured, workload("far", 9)], services: [service],
            policies: [PolicyInfo(name: "p", namespace: "shop", scope: "Namespace", action: "Deny")],
            certificates: [CertificateInfo(identity: web, status: .available, chain: [link])],
            connections: [connection(.outbound), connection(.inbound)], configuration: DaemonConfiguration(node: "host-a")
        ).document
    }

    @Test func `workloads, services and policies have ztunnel's fields`() {
        let workload = dump["workloads"]?.sequenceValue?.first
        #expect(workload?["workloadIps"]?.sequenceValue == ["10.0.0.1"])
        #expect(workload?["protocol"]?.stringValue == "HBONE" && workload?["status"]?.stringValue == "Healthy")
        #expect(workload?["clusterId"]?.stringValue == "Kubernetes" && workload?["canonicalRevision"]?.stringValue == "latest")
        let service = dump["services"]?.sequenceValue?.first
        #expect(service?["vips"]?.sequenceValue == ["/10.96.0.5"])
        let endpoint = service?["endpoints"]?["Kubernetes//WorkloadEntry/shop/db"]
        #expect(endpoint?["port"]?["5432"]?.integerValue == 5432 && endpoint?["status"]?.stringValue == "Unhealthy")
        #expect(dump["policies"]?.sequenceValue?.first?["action"]?.stringValue == "Deny")
    }

    @Test func `certificates have a decimal serial and PEM in base64`() {
        let link = dump["certificates"]?.sequenceValue?.first?["certChain"]?.sequenceValue?.first
        #expect(link?["serialNumber"]?.stringValue == "256")
        #expect(link?["pem"]?.stringValue == "UEVN")
        #expect(link?["expirationTime"]?.stringValue == "1970-01-01T00:01:00.000Z")
    }

    @Test func `connections lie under their captured workload, by direction`() {
        let states = dump["workloadState"]
        #expect(states?.mappingValue?.count == 1)
        let state = states?["Kubernetes//WorkloadEntry/shop/web"]
        #expect(state?["state"]?.stringValue == "Up" && state?["info"]?["serviceAccount"]?.stringValue == "web")
        let out = state?["connections"]?["outbound"]?.sequenceValue?.first
        #expect(out?["src"]?.stringValue == "10.0.0.1:40000" && out?["actualDst"]?.stringValue == "10.0.0.2:15008")
        #expect(out?["originalDst"]?.stringValue == "10.96.0.5:5432" && out?["protocol"]?.stringValue == "HBONE")
        let incoming = state?["connections"]?["inbound"]?.sequenceValue?.first
        #expect(incoming?["src"]?.stringValue == "10.0.0.2:15008" && incoming?["actualDst"]?.stringValue == "10.0.0.1:40000")
    }

    @Test func `the configuration is in it, as the file would say it`() {
        #expect(dump["config"]?["timeouts"]?["connect"]?.stringValue == "10s")
        #expect(dump["version"]?["version"]?.stringValue == warrenVersion)
    }

    @Test(arguments: [
        ("0", "0"), ("ff", "255"), ("00FF", "255"), ("", ""), ("xyz", "xyz"),
        ("ffffffffffffffffffffffffffffffffffffffff", "1461501637330902918203684832716283019655932542975"),
    ])
    func `a serial of any length becomes decimal`(hexadecimal: String, digits: String) {
        #expect(decimal(hexadecimal: hexadecimal) == digits)
    }

    @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
    func `base64 is RFC 4648's`(text: String, encoded: String) { #expect(base64(Array(text.utf8)) == encoded) }
}
