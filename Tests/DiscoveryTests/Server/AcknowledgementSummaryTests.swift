// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Discovery

/// A survey in few words.
@Suite struct AcknowledgementSummaryTests {
    private typealias Summary = AcknowledgementSummary

    /// What one node refuses, by a push of its own.
    private static func refusals(_ names: [String], _ error: String) -> [RefusalList?] {
        let table = ResourceTable(isIndexed: true)
        for (index, name) in names.enumerated() { _ = table.put(Make.workload(name), sequence: UInt64(index + 1)) }
        var list = RefusalList()
        let push = Subscription.Push(
            nonce: "1", changesFrom: 0, changesTo: UInt64(names.count), removalsTo: 0, named: [])
        list.answered(push, table: table, error: error, at: WallTime(seconds: 1))
        var lists: [RefusalList?] = Array(repeating: nil, count: ResourceType.allCases.count)
        lists[ResourceType.address.rank] = list
        return lists
    }

    private static func resource(_ name: String) -> (type: ResourceType, name: String) { (.address, Make.workload(name).name) }

    @Test(arguments: [10, 1_000]) func `it counts as the survey does, or fewer who have it`(_ spread: UInt64) throws {
        var survey = AcknowledgementSurvey()
        for _ in 0..<300 { survey.add(holding: UInt64.random(in: 0..<spread)) }
        let upTo = spread / 2
        let summary = survey.summary(upTo: upTo)
        #expect(summary.held.count <= Summary.heldLimit)
        for wanted in 0...upTo {
            let (told, known) = (summary.acknowledgement(ofRevision: wanted, nil), survey.acknowledgement(ofRevision: wanted))
            #expect(told?.concerned == 300)
            #expect((told?.acknowledged ?? .max) <= known.acknowledged)
            if spread == 10 { #expect(told == known) }
        }
        // Whoever has all that is asked for is told so however many stages there are.
        #expect(summary.acknowledgement(ofRevision: upTo, nil) == survey.acknowledgement(ofRevision: upTo))
        // What is above tells nobody anything.
        #expect(summary.acknowledgement(ofRevision: upTo + 1, nil)?.acknowledged == 0)
    }

    @Test func `it stays the same while only what nobody waits for happens`() {
        var (before, after) = (AcknowledgementSurvey(), AcknowledgementSurvey())
        for revision in [5, 9, 12] as [UInt64] { before.add(holding: revision) }
        for revision in [5, 30, 31] as [UInt64] { after.add(holding: revision) }
        #expect(before.summary(upTo: 9) == after.summary(upTo: 9))
    }

    @Test func `what is refused has the words of one, and the number of all`() throws {
        var survey = AcknowledgementSurvey()
        for node in ["n2", "n1", "n3"] {
            survey.add(holding: 7)
            if node != "n3" { survey.add(node, holding: 7, refusing: Self.refusals(["a"], "\(node) says no")) }
        }
        let summary = survey.summary(upTo: 9)
        let answer = try #require(summary.acknowledgement(ofRevision: 7, Self.resource("a")))
        #expect(answer.refused == ["n1": "n1 says no"] && answer.moreRefused == 1)
        #expect(answer.acknowledged == 1 && answer.concerned == 3 && !answer.isComplete)
        #expect(summary.acknowledgement(ofRevision: 7, Self.resource("b"))?.isComplete == true)
        // What stood before was refused: of what they haven't answered yet nobody knows.
        let next = try #require(summary.acknowledgement(ofRevision: 8, Self.resource("a")))
        #expect(next.refused.isEmpty && next.acknowledged == 0)
    }

    @Test func `more refusals than there is room for make it say so`() throws {
        var survey = AcknowledgementSurvey()
        let names = (0..<200).map { "w\($0)" }
        survey.add(holding: 3)
        survey.add("n1", holding: 3, refusing: Self.refusals(names, String(repeating: "e\u{301}", count: 4_000)))
        let summary = survey.summary(upTo: 3)
        #expect(summary.refusals.count == Summary.refusalLimit && !summary.isWhole)
        for name in names {
            let answer = summary.acknowledgement(ofRevision: 3, Self.resource(name))
            #expect(answer?.isComplete != true, "\(name)")
            for error in (answer?.refused ?? [:]).values { #expect(error.utf8.count <= Summary.errorLimit && !error.isEmpty) }
        }
        // Of what has no name of its own nobody refuses anything.
        #expect(summary.acknowledgement(ofRevision: 3, nil)?.isComplete == true)
        #expect(summary.keeping(0).refusals.isEmpty && !summary.keeping(0).isWhole)
    }

    @Test func `hosts that refuse everything are gone through so far and no further`() {
        var survey = AcknowledgementSurvey()
        let lists = Self.refusals((0..<RefusalList.limit).map { "w\($0)" }, "no")
        for node in 0..<100 {
            survey.add(holding: 3)
            survey.add("n\(node)", holding: 3, refusing: lists)
        }
        let summary = survey.summary(upTo: 3)
        #expect(!summary.isWhole && summary == survey.summary(upTo: 3))
    }
}
