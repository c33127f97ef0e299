// SPDX-License-Identifier: Apache-2.0

import Kernel
import Loop
import Testing

@testable import ControlPlane

/// Absence isn't removal (I21).
@Suite struct NodeWatchTests {
    private final class Clock {
        var now = Instant(nanoseconds: 1_000_000_000_000)
    }

    private final class Story {
        var told: [String] = []
    }

    private func watch(_ clock: Clock, _ story: Story) throws -> NodeWatch {
        let watch = NodeWatch(loop: try Loop(), now: { clock.now })
        watch.onHealth = { story.told.append("\($0) \($1 ? "healthy" : "unhealthy")") }
        watch.onExpired = { story.told.append("\($0) expired") }
        return watch
    }

    @Test func `I21 a host that is gone is unhealthy first, and what it registered expires after the grace`() throws {
        let (clock, story) = (Clock(), Story())
        let watch = try watch(clock, story)
        watch.connected("a")
        watch.connected("b")
        watch.disconnected("b")
        clock.now = clock.now + .seconds(29)
        watch.check()
        #expect(story.told == [])
        clock.now = clock.now + .seconds(2)
        watch.check()
        watch.check()
        #expect(story.told == ["b unhealthy"])
        clock.now = clock.now + .seconds(560)
        watch.check()
        #expect(story.told == ["b unhealthy"])
        clock.now = clock.now + .seconds(10)
        watch.check()
        watch.check()
        #expect(story.told == ["b unhealthy", "b expired"])
        watch.connected("b")
        #expect(story.told.last == "b healthy")
    }

    @Test func `I21 the grace begins anew with the control plane`() throws {
        let (clock, story) = (Clock(), Story())
        let watch = try watch(clock, story)
        watch.start(["a", "b"])
        clock.now = clock.now + .seconds(20)
        watch.connected("a")
        clock.now = clock.now + .seconds(11)
        watch.check()
        #expect(story.told == ["b unhealthy"])
    }

    @Test func `I22 an evicted host is unhealthy at once, and not again before it comes`() throws {
        let (clock, story) = (Clock(), Story())
        let watch = try watch(clock, story)
        watch.connected("a")
        watch.connected("b")
        watch.evicted("b")
        watch.disconnected("b")
        watch.evicted("b")
        #expect(story.told == ["b unhealthy"])
        watch.connected("b")
        #expect(story.told == ["b unhealthy", "b healthy"])
    }

    @Test func `I21 a control plane that hears of nobody takes itself for cut off`() throws {
        let (clock, story) = (Clock(), Story())
        let watch = try watch(clock, story)
        watch.connected("a")
        watch.connected("b")
        watch.disconnected("a")
        watch.disconnected("b")
        clock.now = clock.now + .seconds(3_600)
        watch.check()
        #expect(story.told == [])
        watch.connected("a")
        watch.check()
        #expect(Set(story.told) == ["b unhealthy", "b expired"])
    }
}
