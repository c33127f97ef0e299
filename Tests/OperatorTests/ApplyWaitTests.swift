// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import ResourceAPI
import Support
import Testing

@testable import Operator

/// `warren apply --wait`.
@Suite struct ApplyWaitTests {
    private let path = "/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies/db"

    private func say(_ status: String, _ reason: String, _ message: String, _ desk: Desk) {
        guard let object = desk.plane.objects[path] else { return }
        desk.plane.objects[path] = MergePatch.apply(
            [
                "status": [
                    "conditions": [
                        ["type": "Programmed", "status": .string(status), "reason": .string(reason), "message": .string(message)]
                    ]
                ]
            ],
            to: object)
    }

    @Test func `it comes back when all hosts have it, or with the words of one that refuses`() throws {
        try withFile(policySample) { desk, file in
            desk.pictures = 5
            desk.beforePause = { if $0 == 2 { say("True", "Acknowledged", "acknowledged by 3 of 3 hosts", desk) } }
            #expect(desk.run("apply", "-f", file, "--wait") == .ok)
            #expect(desk.output.hasSuffix("authorizationpolicy.security.istio.io/db acknowledged by 3 of 3 hosts\n"))
        }
        try withFile(policySample) { desk, file in
            desk.pictures = 5
            desk.beforePause = { if $0 == 2 { say("False", "Refused", "refused by host-b: no such field", desk) } }
            #expect(desk.run("apply", "-f", file, "--wait", "-o", "json") == .failed)
            #expect(desk.output.contains("refused by host-b: no such field"))
        }
    }

    @Test func `it says how far it has come when the time is over`() throws {
        try withFile(policySample) { desk, file in
            desk.pictures = 3
            desk.beforePause = { _ in say("False", "Pending", "acknowledged by 1 of 3 hosts", desk) }
            #expect(desk.run("apply", "-f", file, "--wait", "--timeout", "5s") == .failed)
            #expect(desk.errors.contains("acknowledged by 1 of 3 hosts") && desk.errors.contains("warren nodes"))
            #expect(desk.run("apply", "-f", file, "--wait", "--timeout", "soon") == .usage)
        }
    }
}
