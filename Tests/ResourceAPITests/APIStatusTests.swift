// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing

@testable import ResourceAPI

/// The answer to what can't be done.
@Suite struct APIStatusTests {
    @Test func `a status names object, field and cause as kubectl reads them`() {
        var status = APIStatus(.invalid, "Service \"web\" is invalid: spec.ports[0].port: must be 1 to 65535")
        status.kind = "services"
        status.name = "web"
        status.causes = [.init(reason: "FieldValueInvalid", message: "must be 1 to 65535", field: "spec.ports[0].port")]
        let document = status.document
        #expect(document["kind"] == "Status" && document["code"] == 422 && document["reason"] == "Invalid")
        #expect(document["details"]?["causes"]?.sequenceValue?.first?["field"] == "spec.ports[0].port")
        #expect(document["details"]?["group"] == nil)
    }
}
