// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Testing

@Suite struct BaggageTests {
    private func full() -> Baggage {
        var baggage = Baggage()
        baggage.cluster = "Kubernetes"
        baggage.namespace = "shop"
        baggage.workloadKind = .deployment
        baggage.workloadName = "db"
        baggage.service = "db"
        baggage.revision = "v1"
        baggage.region = "r1"
        baggage.zone = "z1"
        return baggage
    }

    @Test func `all keys are written in order, and read back`() {
        let text =
            "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=db,service.name=db,service.version=v1,"
            + "cloud.region=r1,cloud.availability_zone=z1"
        #expect(full().description == text)
        #expect(Baggage(text) == full())
    }

    @Test func `what isn't known isn't written`() {
        var baggage = Baggage()
        #expect(baggage.description == "")
        #expect(baggage.isEmpty)
        baggage.namespace = "default"
        baggage.workloadName = "without a kind"
        baggage.zone = ""
        #expect(baggage.description == "k8s.namespace.name=default")
    }

    @Test(arguments: Baggage.WorkloadKind.allCases)
    func `the kind of a workload is its key`(_ kind: Baggage.WorkloadKind) {
        let baggage = Baggage("k8s.\(kind.rawValue).name=x")
        #expect(baggage.workloadKind == kind)
        #expect(baggage.workloadName == "x")
        #expect(baggage.description == "k8s.\(kind.rawValue).name=x")
    }

    @Test(arguments: ["a,b", "ü%=;\"\\ x", "日本", "100%"])
    func `any text survives`(_ name: String) {
        var baggage = Baggage()
        baggage.service = name
        #expect(baggage.description.utf8.allSatisfy { (0x21...0x7e).contains($0) })
        #expect(Baggage(baggage.description) == baggage)
    }

    @Test func `white space, properties, unknown and repeated keys are borne`() {
        let baggage = Baggage(" k8s.namespace.name =\tshop ; p=1;q , user=ann,k8s.namespace.name=evil,,=,x, service.name= db ")
        #expect(baggage.namespace == "shop")
        #expect(baggage.service == "db")
    }

    @Test(arguments: ["%", "%4", "%zz", "%ff", "a%00b", "a%0ab", "\u{1}", "", String(repeating: "a", count: 254)])
    func `a value that is no short printable text is left out, the others count`(_ value: String) {
        let baggage = Baggage("service.name=\(value),k8s.namespace.name=shop")
        #expect(baggage.service == nil)
        #expect(baggage.namespace == "shop")
    }

    @Test func `a list beyond 8 KiB says nothing, and only 64 members are read`() {
        let long = "service.name=a,x=" + String(repeating: "b", count: 8192)
        #expect(Baggage(long).isEmpty)
        let many = String(repeating: "x=y,", count: 64) + "service.name=late"
        #expect(Baggage(many).isEmpty)
        let enough = String(repeating: "x=y,", count: 63) + "service.name=last"
        #expect(Baggage(enough).service == "last")
    }

    @Test func `several headers are one list`() {
        let headers: HTTPHeaders = ["baggage": "service.name=a", "Baggage": "service.name=b,cloud.region=r"]
        #expect(Baggage(headers).service == "a")
        #expect(Baggage(headers).region == "r")
        #expect(Baggage(HTTPHeaders()).isEmpty)
    }
}

@Suite struct TraceContextTests {
    @Test func `a header is read and written alike`() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let context = TraceContext(text)
        #expect(context?.description == text)
        #expect(context?.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(context?.spanID == "b7ad6b7169203331")
        #expect(context?.flags == 1)
    }

    @Test(arguments: [
        "", "00", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x", " 0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ää",
    ])
    func `anything else is no trace`(_ text: String) {
        #expect(TraceContext(text) == nil)
    }

    @Test func `a later version may say more`() {
        #expect(TraceContext("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more") != nil)
        #expect(TraceContext("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") != nil)
    }

    @Test func `a fresh trace is as random as its source, and never zero`() {
        var source = Counting(number: 0)
        let context = TraceContext.make(random: &source)
        #expect(context.description == "00-00000000000000000000000000000001-0000000000000002-00")
        #expect(TraceContext(context.description) == context)
    }

    private struct Counting: RandomNumberGenerator {
        var number: UInt64

        mutating func next() -> UInt64 {
            defer { number += 1 }
            return number
        }
    }
}

@Suite struct ForwardedTests {
    @Test(arguments: [
        (Forwarded(source: SocketAddress("10.0.0.1:4711")), "for=\"10.0.0.1:4711\""),
        (
            Forwarded(source: SocketAddress("[fd00::1]:80"), host: "shop.default.svc.cluster.local"),
            "for=\"[fd00::1]:80\";host=shop.default.svc.cluster.local"
        ),
        (Forwarded(source: nil, host: "a b\"c\\"), "host=\"a b\\\"c\\\\\""),
        (Forwarded(source: nil, host: "\"\u{301}"), "host=\"\\\"\u{301}\""),
    ])
    func `it is written as ztunnel writes it, and read back`(_ forwarded: Forwarded, _ text: String) {
        #expect(forwarded.description == text)
        #expect(Forwarded(text) == forwarded)
    }

    @Test(arguments: [
        "For=\"10.0.0.1:4711\";HOST=a, for=1.2.3.4", "  for=\"10.0.0.1:4711\" ; proto=http;host=a;by=_x",
        "host=a;for=\"10.0.0.1:4711\"",
    ])
    func `the first element counts, names have no case, other parameters are passed over`(_ text: String) {
        #expect(Forwarded(text) == Forwarded(source: SocketAddress("10.0.0.1:4711"), host: "a"))
    }

    @Test(arguments: ["for=unknown", "for=_hidden", "for=10.0.0.1", "for=\"nobody:1\""])
    func `a client that is hidden has no address`(_ text: String) {
        #expect(Forwarded(text) == Forwarded(source: nil))
    }

    @Test(arguments: [
        "", ";", "for", "for=", "=x", "for=\"", "for=\"a", "for=\"a\\", "for=a b", "for=a;", "for = a", "for=\"a\u{1}\"",
        "host=\"a\\\u{0}\"", "host=\"a\\\u{c}b\"", "host=\"a\\\u{7f}\"",
        "for=10.0.0.1:4711",
        "host=\"" + String(repeating: "a", count: 4096) + "\"",
    ])
    func `what is malformed says nothing`(_ text: String) {
        #expect(Forwarded(text) == nil)
    }
}

@Suite struct HostileHeaderTests {
    @Test func `no bytes trap any of the header parsers`() {
        var generator = SplitMix(state: 7)
        let pieces = [
            "k8s.namespace.name=", "%", "%4", "for=\"", "\\", "host=", ";", ",", "\"", "00-", "-01", " ", "é", "\u{0}", "=", "a",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0..<12, using: &generator)).map { _ in
                pieces[Int.random(in: 0..<16, using: &generator)]
            }.joined()
            _ = Baggage(text).description
            _ = TraceContext(text)?.description
            _ = Forwarded(text)?.description
        }
    }
}

/// Numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
