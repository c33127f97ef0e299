// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel

/// JSON texts: what is read is written and read again as the same, by the reader of YAML too.
enum JSONHarness {
    static func fuzz(_ bytes: [UInt8]) {
        guard let value = try? JSON.read(bytes) else { return }
        let text = value.jsonBytes
        let again = try? JSON.read(text)
        invariant(again == value, "JSON that we wrote reads otherwise: \(value.json)")
        invariant(again?.jsonBytes == text, "JSON is written in two ways: \(value.json)")
        invariant((try? JSON.read(value.prettyJSON)) == value, "JSON for people reads otherwise: \(value.json)")
        YAMLHarness.checkWriter([value])
    }
}
