// SPDX-License-Identifier: Apache-2.0

import Daemon
import Testing

@Suite struct ReadinessTests {
    @Test func `readiness names what it waits for, in order, and is ready when nothing is left`() {
        var state = ReadinessState(pending: ["mesh", "capture"])
        #expect(state.response.status == 503)
        #expect(state.response.body == "not ready, pending: mesh, capture")
        state.done("mesh")
        #expect(state.response.body == "not ready, pending: capture")
        state.done("capture")
        #expect(state.response.status == 200)
        #expect(state.response.body == "ready")
    }

    @Test func `a drain takes readiness back, once`() {
        var state = ReadinessState(pending: [])
        state.waits(for: "drain")
        state.waits(for: "drain")
        #expect(state.pending == ["drain"])
        #expect(!state.isReady)
    }
}
