// SPDX-License-Identifier: Apache-2.0

import Discovery
import Kernel
import Testing

@testable import ControlPlane

/// What replicas say of their hosts, and what is made of it together.
@Suite struct ReplicaReportTests {
    private typealias Summary = AcknowledgementSummary
    private static let resource = (type: ResourceType.authorization, name: "shop/p")

    private static func refusal(_ name: String, node: String = "n1", error: String = "no", revision: UInt64 = 7)
        -> Summary.Refusal
    {
        .init(type: .authorization, name: name, revision: revision, nodes: 2, node: node, error: error)
    }

    private static func report(_ asOf: UInt64, _ held: [(UInt64, Int)], _ refusals: [Summary.Refusal] = []) -> ReplicaReport {
        ReplicaReport(
            asOf: asOf, hosts: Summary(held: held.map { .init(revision: $0.0, nodes: $0.1) }, refusals: refusals))
    }

    // MARK: - The text

    @Test func `what is written is read`() {
        let report = Self.report(
            9, [(3, 1), (9, 40)],
            [Self.refusal("shop/a"), Self.refusal("shop/b"), Self.refusal("shop/c", node: "n2", error: "\"\u{7}\u{1F600}")])
        #expect(ReplicaReport(text: report.text) == report)
        let empty = Self.report(0, [])
        #expect(ReplicaReport(text: empty.text) == empty)
    }

    @Test func `the largest there is has its bound, and says that it is not whole`() throws {
        // Control characters take six bytes each.
        let words = String(repeating: "\u{1}", count: Summary.errorLimit)
        let refusals = (0..<Summary.refusalLimit).map { index in
            Self.refusal(
                "\(index)/" + String(repeating: "n", count: 506), node: "\(index)" + String(repeating: "h", count: 250),
                error: words)
        }
        let held = (0..<Summary.heldLimit).map { (UInt64(Int64.max) - 100 + UInt64($0), 1_000) }
        let report = Self.report(UInt64(Int64.max), held, refusals)
        #expect(report.text.count <= ReplicaReport.limit)
        let read = try #require(ReplicaReport(text: report.text))
        #expect(!read.hosts.isWhole && !read.hosts.refusals.isEmpty && read.hosts.held == report.hosts.held)
        // What fits is whole.
        let usual = Self.report(9, held, (0..<Summary.refusalLimit).map { Self.refusal("shop/p\($0)") })
        #expect(ReplicaReport(text: usual.text) == usual)
    }

    @Test(arguments: [
        "", "x", "[]", "{}", "null", #"{"form":1}"#, #"{"form":2,"asOf":1,"held":[],"whole":true}"#,
        #"{"form":1,"asOf":-1,"held":[],"whole":true}"#, #"{"form":1,"asOf":1.5,"held":[],"whole":true}"#,
        #"{"form":1,"asOf":1,"held":[]}"#, #"{"form":1,"asOf":1,"held":{},"whole":true}"#,
        #"{"form":1,"asOf":1,"held":[[1]],"whole":true}"#, #"{"form":1,"asOf":1,"held":[[1,-1]],"whole":true}"#,
        #"{"form":1,"asOf":1,"held":[[1,99999999999]],"whole":true}"#, #"{"form":1,"asOf":1,"held":[["1","1"]],"whole":true}"#,
        #"{"form":1,"asOf":1,"held":[],"whole":true,"refused":[{"node":"n"}]}"#,
        #"{"form":1,"asOf":1,"held":[],"whole":true,"refused":[{"node":"n","error":"e","of":[["unknown","a",1,1]]}]}"#,
        #"{"form":1,"asOf":1,"held":[],"whole":true} "# + String(repeating: " ", count: ReplicaReport.limit),
        #"{"form":1,"asOf":1,"held":["# + Array(repeating: "[1,1]", count: 33).joined(separator: ",") + #"],"whole":true}"#,
        #"{"form":1,"asOf":1,"held":"# + String(repeating: "[", count: 10_000),
    ])
    func `what isn't understood to its end is no report`(text: String) {
        #expect(ReplicaReport(text: Array(text.utf8)) == nil)
    }

    @Test func `a report that was cut or damaged says nothing, or what it says is a report`() {
        let text = Self.report(9, [(3, 1), (9, 40)], [Self.refusal("shop/a")]).text
        for end in 0..<text.count { #expect(ReplicaReport(text: Array(text[..<end])) == nil, "\(end)") }
        for place in text.indices {
            var damaged = text
            damaged[place] ^= 0x41
            // Whatever it is now: nothing traps, and it is within bounds.
            if let read = ReplicaReport(text: damaged) { #expect(read.text.count <= ReplicaReport.limit) }
        }
    }

    // MARK: - All together

    private static func sum(
        _ reports: [String: ReplicaReport?], revision: UInt64 = 7,
        own: Acknowledgement = Acknowledgement(acknowledged: 3, concerned: 3)
    ) -> (Acknowledgement, unknown: [String]) {
        var answer = own
        let unknown = OtherReplicas(isFirst: true, begun: nil, reports: reports).add(to: &answer, revision: revision, resource)
        return (answer, unknown)
    }

    @Test func `all hosts are added up`() {
        let (all, unknown) = Self.sum(["b": Self.report(9, [(9, 4)]), "c": Self.report(7, [(5, 1), (7, 2)])])
        #expect(all == Acknowledgement(acknowledged: 9, concerned: 10) && unknown == [])
        #expect(Self.sum([:]).0.isComplete)
    }

    @Test func `what is missing, unreadable or old is unknown, whatever it says`() {
        let reports: [String: ReplicaReport?] = [
            "silent": nil, "garbage": ReplicaReport(text: Array("{".utf8)), "old": Self.report(6, []),
            "b": Self.report(7, [(7, 1)]),
        ]
        let (all, unknown) = Self.sum(reports)
        #expect(unknown == ["garbage", "old", "silent"])
        #expect(all == Acknowledgement(acknowledged: 4, concerned: 4))
    }

    @Test func `refusals of others are told with their words; which there isn't room for are unknown`() {
        let refusing = Self.report(7, [(7, 4)], [Self.refusal("shop/p", error: "no such field")])
        let (all, unknown) = Self.sum(["b": refusing])
        #expect(all.refused == ["n1": "no such field"] && all.moreRefused == 1 && unknown == [])
        #expect(all.acknowledged == 5 && all.concerned == 7)
        // Of the version before: they haven't answered yet.
        let (before, _) = Self.sum(["b": Self.report(8, [(7, 4)], [Self.refusal("shop/p")])], revision: 8)
        #expect(before.refused.isEmpty && before.acknowledged == 3)
        let full = ReplicaReport(asOf: 7, hosts: Summary(held: [.init(revision: 7, nodes: 4)], isWhole: false))
        #expect(Self.sum(["b": full]).unknown == ["b"])
    }

    @Test func `the first by name of those who say something writes`() {
        func first(_ texts: [String: [UInt8]]) -> String? { ReplicaReading(begun: Instant(nanoseconds: 0), texts: texts).first }
        let text = Self.report(1, []).text
        #expect(first(["a": [], "b": text, "c": text]) == "b")
        // One that another version understands writes: two that disagree would write in turns.
        #expect(first(["a": [0], "b": text]) == "a")
        #expect(first(["a": [], "b": []]) == "a")
        #expect(first([:]) == nil)
        let reading = ReplicaReading(begun: Instant(nanoseconds: 5), texts: ["b": text, "c": Self.report(4, []).text])
        #expect(reading.others(than: "b").isFirst && !reading.others(than: "c").isFirst && !reading.others(than: "a").isFirst)
        #expect(reading.asOf == 4)
        #expect(reading.others(than: "b").areKnown(asOf: 4) && !reading.others(than: "c").areKnown(asOf: 4))
        #expect(!ReplicaReading(begun: reading.begun, texts: ["b": []]).others(than: "a").areKnown(asOf: 0))
        #expect(reading.others(than: "b").isNewer(than: Instant(nanoseconds: 5)))
        #expect(!reading.others(than: "b").isNewer(than: Instant(nanoseconds: 6)))
    }
}
