// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ControlPlane

/// Who asks.
@Suite struct PrincipalTests {
    @Test func `two principals of one name and different roles are different`() {
        #expect(Principal(name: "ci", role: .viewer) != Principal(name: "ci", role: .admin))
    }
}
