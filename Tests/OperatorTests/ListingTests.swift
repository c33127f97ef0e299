// SPDX-License-Identifier: Apache-2.0

import Daemon
import Documents
import Kernel
import Testing

@testable import Operator

/// Tables of canned answers, as people see them.
@Suite struct ListingTests {
    private static let tunnels = """
        {"total":2,"tunnels":[
        {"id":2,"side":"server","workload":"shop/db","local":"10.0.0.2:15008","remote":"10.0.0.1:41234",
        "localIdentity":"spiffe://cluster.local/ns/shop/sa/db","remoteIdentity":"spiffe://cluster.local/ns/shop/sa/web",
        "streams":3,"streamsOpened":1200,"state":"open","ageSeconds":192.4,"bytesReceived":1258291,"bytesSent":0,
        "cipher":"TLS_AES_128_GCM_SHA256","loop":1},
        {"id":1,"side":"client","workload":"api/web-1","local":"10.0.0.9:40000","remote":"10.0.0.2:15008",
        "localIdentity":"spiffe://cluster.local/ns/api/sa/web","streams":0,"streamsOpened":0,"state":"handshake","ageSeconds":0.2,
        "bytesReceived":0,"bytesSent":0,"loop":0}]}
        """

    @Test func `tunnels`() throws {
        let desk = Desk()
        desk.answers["/tunnels"] = try document(Self.tunnels)
        #expect(desk.run("tunnels") == .ok)
        #expect(
            desk.output == """
                WORKLOAD   SIDE    LOCAL           REMOTE          PEER      STREAMS  OPENED  RECEIVED  SENT    AGE  STATE
                api/web-1  client  10.0.0.9:40000  10.0.0.2:15008  -               0       0       0 B   0 B     0s  handshake
                shop/db    server  10.0.0.2:15008  10.0.0.1:41234  shop/web        3    1200   1.2 MiB   0 B  3m12s  open

                """)
    }

    @Test func `wide tunnels have full identities and the cipher`() throws {
        let desk = Desk()
        desk.answers["/tunnels"] = try document(Self.tunnels)
        desk.run("tunnels", "--wide", "-n", "shop")
        #expect(desk.output.contains("spiffe://cluster.local/ns/shop/sa/web"))
        #expect(desk.output.contains("TLS_AES_128_GCM_SHA256"))
        #expect(!desk.output.contains("api/web-1"))
    }

    @Test(arguments: ["json", "yaml"]) func `programs get the elements that were asked for, whole`(format: String) throws {
        let desk = Desk()
        desk.answers["/tunnels"] = try document(Self.tunnels)
        desk.run("tunnels", "--workload", "db", "-o", format)
        let elements = try #require(YAML.read(desk.output).first?.sequenceValue)
        #expect(elements.count == 1)
        #expect(elements.first?["cipher"]?.stringValue == "TLS_AES_128_GCM_SHA256")
    }

    @Test func `connections`() throws {
        let desk = Desk()
        desk.answers["/connections"] = try document(
            """
            {"total":20000,"connections":[{"id":1,"workload":"shop/web","direction":"outbound","local":"10.0.0.1:40000",
            "remote":"10.0.0.2:15008","target":"10.96.0.5:5432","service":"db.shop.svc.cluster.local","protocol":"hbone",
            "remoteIdentity":"spiffe://cluster.local/ns/shop/sa/db","bytesReceived":2048,"bytesSent":1,"ageSeconds":3.5,
            "state":"open","loop":0},
            {"id":2,"workload":"shop/web","direction":"inbound","local":"10.0.0.1:80","remote":"10.0.0.7:5000","target":"10.0.0.1:80",
            "protocol":"tcp","bytesReceived":0,"bytesSent":0,"ageSeconds":7200,"state":"halfClosed","loop":1}]}
            """)
        desk.run("connections")
        #expect(
            desk.output == """
                WORKLOAD  DIRECTION  LOCAL           REMOTE          TARGET          PROTOCOL  PEER     RECEIVED  SENT    AGE  STATE
                shop/web  inbound    10.0.0.1:80     10.0.0.7:5000   10.0.0.1:80     tcp       -             0 B   0 B  2h00m  halfClosed
                shop/web  outbound   10.0.0.1:40000  10.0.0.2:15008  10.96.0.5:5432  hbone     shop/db   2.0 KiB   1 B     3s  open
                2 of 20000 are told.

                """)
    }

    @Test func `connections of one direction and one workload`() throws {
        let desk = Desk()
        desk.answers["/connections"] = try document(
            """
            {"connections":[{"workload":"shop/web","direction":"inbound"},{"workload":"shop/web","direction":"outbound"},
            {"workload":"api/web","direction":"inbound"},{"workload":"shop/cobweb","direction":"inbound"}]}
            """)
        let count = { (words: [String]) -> Int? in
            let before = desk.output.utf8.count
            _ = Warren.run(["connections", "-o", "json"] + words, desk.session)
            return try JSON.read(Array(desk.output.utf8.dropFirst(before))).sequenceValue?.count
        }
        #expect(try count(["--direction", "inbound"]) == 3)
        #expect(try count(["--workload", "web", "--direction", "inbound"]) == 2)
        #expect(try count(["--workload", "shop/web"]) == 2)
        #expect(try count(["-n", "api"]) == 1)
        #expect(try count(["-n", "ap"]) == 0)
    }

    @Test func `of workloads only those are asked for that are wanted, and what an older daemon tells besides isn't shown`()
        throws
    {
        let desk = Desk()
        let all = try document(
            """
            {"workloads":[{"name":"mine","namespace":"a&b","local":true},{"name":"other","namespace":"a&b","local":false},
            {"name":"far","namespace":"c","local":true}]}
            """)
        desk.answers["/workloads?local=true&namespace=a%26b"] = all
        #expect(desk.run("workloads", "--local", "-n", "a&b") == .ok)
        #expect(desk.output.contains("mine") && !desk.output.contains("other") && !desk.output.contains("far"))
        desk.answers["/workloads?namespace=c"] = all
        #expect(desk.run("workloads", "-n", "c") == .ok)
        #expect(desk.output.contains("far"))
    }

    @Test func `workloads say what is captured, what is refused and why, and that only TCP is`() throws {
        let desk = Desk()
        desk.answers["/workloads"] = try document(
            """
            {"workloads":[{"name":"web-1","namespace":"shop","uid":"u","addresses":["10.0.0.1","2001:db8::1"],"network":"",
            "node":"host-a","identity":"spiffe://cluster.local/ns/shop/sa/web","protocol":"HBONE","status":"healthy","local":true,
            "captureState":"captured","networkNamespace":"web","connections":3,"policies":[]},
            {"name":"db","namespace":"shop","uid":"v","addresses":[],"network":"","node":"host-b","protocol":"HBONE",
            "status":"unhealthy","local":false,"captureState":"-","connections":0,"policies":[]},
            {"name":"api","namespace":"shop","uid":"w","addresses":["10.0.0.3"],"network":"","node":"host-a","protocol":"HBONE",
            "status":"healthy","local":true,"captureState":"refused","captureReason":"10.0.0.3 isn't local in api",
            "networkNamespace":"api","connections":0,"policies":[]}]}
            """)
        desk.run("workloads")
        #expect(
            desk.output == """
                NAMESPACE  NAME   ADDRESS               NODE    PROTOCOL  CAPTURE                               NETNS  STATUS     CONNECTIONS
                shop       api    10.0.0.3              host-a  HBONE     refused: 10.0.0.3 isn't local in api  api    healthy              0
                shop       db     -                     host-b  HBONE     -                                     -      unhealthy            0
                shop       web-1  10.0.0.1,2001:db8::1  host-a  HBONE     captured                              web    healthy              3

                Only TCP is captured; UDP, ICMP and the rest pass as they are, unless capture.nonTCP is `drop`.

                """)
    }

    @Test func `services, policies and certificates`() throws {
        let desk = Desk()
        desk.answers["/services"] = try document(
            """
            {"services":[{"name":"db","namespace":"shop","hostname":"db.shop.svc.cluster.local","addresses":["/10.96.0.5","dc1/10.0.0.1"],
            "ports":{"80":0,"443":8443,"5432":5432},"endpointsHealthy":1,"endpointsTotal":2,"endpoints":[]}]}
            """)
        desk.answers["/policies"] = try document(
            """
            {"policies":[{"name":"p","namespace":"shop","action":"Deny","scope":"Namespace","rules":["a","b"],"workloads":2,
            "origin":"mesh.yaml:12"}]}
            """)
        desk.answers["/certificates"] = try document(
            """
            {"certificates":[{"identity":"spiffe://cluster.local/ns/shop/sa/web","status":"Available","valid":true,
            "serialNumber":"1f","notAfter":"2027-01-02T00:00:00.000Z","expiresInSeconds":43200,"renewal":"2027-01-01T12:00:00.000Z"},
            {"identity":"spiffe://cluster.local/ns/shop/sa/db","status":"Unavailable","reason":"no key","valid":false,
            "expiresInSeconds":-5}]}
            """)
        desk.run("services")
        desk.run("policies")
        desk.run("certificates")
        #expect(
            desk.output == """
                NAMESPACE  NAME  ADDRESS                 PORTS             ENDPOINTS  WAYPOINT
                shop       db    10.96.0.5,dc1/10.0.0.1  80,443→8443,5432  1/2        -
                NAMESPACE  NAME  ACTION  SCOPE      RULES
                shop       p     Deny    Namespace      2
                IDENTITY                               STATUS       VALID  EXPIRES IN  NOT AFTER                 RENEWAL
                spiffe://cluster.local/ns/shop/sa/db   Unavailable  no        expired  -                         -
                spiffe://cluster.local/ns/shop/sa/web  Available    yes        12h00m  2027-01-02T00:00:00.000Z  2027-01-01T12:00:00.000Z

                """)
    }

    @Test func `an answer that lacks everything is an empty table, not a crash`() throws {
        let desk = Desk()
        for target in ["/tunnels", "/connections", "/workloads", "/services", "/policies", "/certificates"] {
            for text in ["{}", "[]", "null", "{\"\(target.dropFirst())\":[{},null,5,[]]}", "{\"\(target.dropFirst())\":7}"] {
                desk.answers[target] = try document(text)
                #expect(desk.run(String(target.dropFirst())) == .ok)
                #expect(desk.run(String(target.dropFirst()), "--wide") == .ok)
            }
        }
    }

    @Test func `watching shows again and again, and outlives a daemon that goes away`() throws {
        let desk = Desk(isTerminal: true)
        desk.answers["/tunnels"] = ["tunnels": []]
        desk.pictures = 3
        desk.beforePause = { count in desk.answers["/tunnels"] = count == 1 ? nil : ["tunnels": []] }
        #expect(desk.run("tunnels", "--watch", "--interval", "0.5") == .ok)
        #expect(desk.requests.count == 3)
        #expect(desk.pauses.allSatisfy { $0 == .milliseconds(500) })
        #expect(desk.output.ranges(of: "\u{1b}[H\u{1b}[2J").count == 3)
        #expect(desk.errors.contains("no warrend"))
    }

    @Test func `watching what isn't there ends at once`() {
        let desk = Desk()
        desk.pictures = 3
        #expect(desk.run("tunnels", "-w") == .unreachable)
        #expect(desk.pauses.isEmpty)
    }

    @Test(arguments: ["0", "-1", "x", "1e9", "nan", ""]) func `an interval that is none is wrong usage`(text: String) {
        #expect(Desk().run("tunnels", "-w", "--interval", text) == .usage)
    }

    @Test func `a refusal of the daemon's is told with its remedy`() {
        let desk = Desk()
        desk.failures["/logging?level=loud"] = AdminFailure("\"loud\" is no level", remedy: "There are five.")
        #expect(desk.run("log", "--level", "loud") == .failed)
        #expect(desk.errors == "warren: \"loud\" is no level\n  → There are five.\n")
    }

    @Test func `log shows, sets and resets`() throws {
        let desk = Desk()
        let levels: Value = ["levels": ["tunnel": "debug", "mesh": "info"]]
        desk.answers = ["/logging": levels, "/logging?level=info,tunnel:debug": levels, "/logging?reset": levels]
        #expect(desk.run("log") == .ok)
        #expect(desk.output == "SCOPE   LEVEL\nmesh    info\ntunnel  debug\n")
        #expect(desk.run("log", "--level", "info,tunnel:debug") == .ok)
        #expect(desk.run("log", "--reset") == .ok)
        #expect(desk.requests.map(\.method) == [.get, .post, .post])
        #expect(desk.run("log", "--reset", "--level", "info") == .usage)
    }

    @Test func `status is ready or says what it waits for`() throws {
        let desk = Desk()
        desk.answers["/status"] = try document(
            """
            {"version":"9.9.9","node":"host-a","process":42,"uptimeSeconds":61,"ready":true,"pending":[],"loops":2,
            "trustDomain":"cluster.local","meshPath":"/etc/warren/mesh","meshRevision":3,"workloads":4,"captured":2,"services":1,
            "policies":0,"connections":7,"tunnels":2,"droppedLogLines":0}
            """)
        #expect(desk.run("status") == .ok)
        #expect(desk.output.contains("ready") && desk.output.contains("4, of which 2 are captured here"))
        desk.answers["/status"] = ["ready": false, "pending": ["mesh", "capture"], "meshRefused": "2 errors"]
        #expect(desk.run("status") == .failed)
        #expect(desk.output.contains("not ready, pending: mesh,capture") && desk.output.contains("not in use: 2 errors"))
    }

    @Test(arguments: ["version", "node", "meshPath", "trustDomain", "workloads", "pending", "meshRefused"])
    func `nothing that status shows moves the cursor`(_ key: String) throws {
        let desk = Desk()
        let text: Value = "a\u{1b}[2J\r\nb\u{9b}\u{202e}c"
        desk.answers["/status"] = [key: key == "pending" ? [text] : text]
        desk.run("status")
        #expect(desk.output.contains("a?[2J??b??c"))
        #expect(desk.output.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
    }

    @Test func `nothing in a failure moves the cursor`() {
        let desk = Desk()
        desk.failures["/status"] = AdminFailure("no\u{1b}[2J\nentry", remedy: "Look\u{7}.")
        #expect(desk.run("status") == .failed)
        #expect(desk.errors == "warren: no?[2J?entry\n  → Look?.\n")
    }

    @Test func `version is told with and without a daemon`() throws {
        let desk = Desk()
        #expect(desk.run("version") == .ok)
        #expect(desk.output == "warren   \(warrenVersion)\nwarrend  not reachable\n")
        desk.answers["/status"] = ["version": "9.9.9"]
        desk.run("version", "-o", "json")
        #expect(desk.output.contains("\"daemon\": \"9.9.9\""))
    }
}
