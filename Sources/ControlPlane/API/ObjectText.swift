// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// The text in which an object is stored, and the text in which it is shown: they differ in `metadata.resourceVersion`, which only the store knows.
/// The stored text begins with `apiVersion`, `kind` and `metadata`, so that the field can be put in without reading the rest: a list of
/// fifty thousand is copied, not parsed.
enum ObjectText {
    private static let metadata = Array(#""metadata":{"#.utf8)
    private static let first = ["apiVersion", "kind", "metadata"]

    /// How an object is stored.
    static func stored(_ object: Value) -> [UInt8] {
        let entries = object.mappingValue ?? []
        let head = first.compactMap { key in entries.first { $0.key == key } }
        let rest = entries.filter { !first.contains($0.key) }
        return Value(
            .mapping((head + rest).map { $0.key == "metadata" ? Value.Entry("metadata", withoutRevision($0.value)) : $0 })
        )
        .jsonBytes
    }

    private static func withoutRevision(_ metadata: Value) -> Value {
        Value(.mapping((metadata.mappingValue ?? []).filter { $0.key != "resourceVersion" }))
    }

    /// How it is shown: the text of `stored` with its revision.
    static func shown(_ text: [UInt8], revision: UInt64) -> [UInt8] {
        guard let place = place(in: text) else { return text }
        var shown: [UInt8] = []
        shown.reserveCapacity(text.count + 48)
        shown += text[..<place]
        shown += #""resourceVersion":""#.utf8
        shown += String(revision).utf8
        shown.append(UInt8(ascii: "\""))
        if text[place] != UInt8(ascii: "}") { shown.append(UInt8(ascii: ",")) }
        shown += text[place...]
        return shown
    }

    /// Behind `"metadata":{`. What comes before it are names that hold no quotes.
    private static func place(in text: [UInt8]) -> Int? {
        var index = 0
        let end = min(text.count, 512) - metadata.count
        while index < end {
            if text[index] == metadata[0], text[index..<index + metadata.count].elementsEqual(metadata) {
                return index + metadata.count
            }
            index += 1
        }
        return nil
    }

    /// Who set what: more than half of most texts, and nothing to anybody but who writes the object.
    static let bookkeeping = "managedFields"

    /// What an object says, without its bookkeeping. Nil if the text is damaged.
    static func content(_ text: [UInt8]) -> Value? { try? JSON.read(text, without: bookkeeping) }

    /// The object as a tree, with its revision. What the store holds was written by us or by another replica: text that is no JSON is damage.
    static func read(_ text: [UInt8], revision: UInt64) throws(DocumentFailure) -> Value {
        try JSON.read(shown(text, revision: revision))
    }
}
