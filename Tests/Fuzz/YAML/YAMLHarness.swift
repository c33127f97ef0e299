// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel

/// YAML streams: positions lie in the text, and what is read is written and read again as the same.
enum YAMLHarness {
    static func fuzz(_ text: [UInt8]) {
        // libyaml also ends lines at CR, NEL, LS and PS.
        let lines = text.count + 1
        do throws(DocumentFailure) {
            let documents = try YAML.read(text)
            for document in documents { check(document, lines) }
            checkWriter(documents)
        } catch {
            invariant((1...lines).contains(error.position.line), "an error lies at line \(error.position.line) of \(lines)")
        }
    }

    /// What is written reads back equal, one document alone and several together. NaN equals nothing, so that texts are compared.
    static func checkWriter(_ documents: [Value]) {
        let documents = documents.filter { !$0.isNull }
        for text in documents.map({ YAML.write($0) }) + [YAML.write(documents: documents)] {
            guard let again = try? YAML.read(text) else { bug("YAML that we wrote can't be read:\n\(text)") }
            invariant(text == YAML.write(documents: again), "YAML that we wrote reads otherwise:\n\(text)")
        }
    }

    private static func check(_ value: Value, _ lines: Int) {
        invariant((1...lines).contains(value.position.line), "a value lies at line \(value.position.line) of \(lines)")
        invariant(value.position.column >= 1, "a value lies at column \(value.position.column)")
        for element in value.sequenceValue ?? [] { check(element, lines) }
        for entry in value.mappingValue ?? [] {
            invariant((1...lines).contains(entry.keyPosition.line), "a key lies at line \(entry.keyPosition.line) of \(lines)")
            check(entry.value, lines)
        }
    }
}
