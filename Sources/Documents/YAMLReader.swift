// SPDX-License-Identifier: Apache-2.0

/// Where YAML texts become values, and values YAML. A namespace; the work is done by `YAMLReader` and `YAMLWriter`, each for one text.
package enum YAML {
    /// The documents of a YAML stream, in order; documents without content are left out. JSON is YAML, so JSON files pass too.
    package static func read(
        _ bytes: [UInt8], limits: DocumentLimits = DocumentLimits()
    ) throws(DocumentFailure) -> [Value] {
        try limits.check(size: bytes.count)
        var reader = YAMLReader(bytes, limits: limits)
        return try reader.readStream()
    }

    package static func read(_ text: String, limits: DocumentLimits = DocumentLimits()) throws(DocumentFailure) -> [Value] {
        try read(Array(text.utf8), limits: limits)
    }
}

extension DocumentLimits {
    /// Readers of files ask this with the size before they read.
    package func check(size: Int) throws(DocumentFailure) {
        guard size > bytes else { return }
        throw DocumentFailure(
            "the text has \(size) bytes; at most \(bytes) are read", at: .start, remedy: "Split it into several files.")
    }
}

/// Builds the tree of one stream. Recursion is as deep as the document, which is bounded.
struct YAMLReader {
    private let events: YAMLEvents
    private let limits: DocumentLimits
    private var nodes = 0

    init(_ bytes: [UInt8], limits: DocumentLimits) {
        events = YAMLEvents(bytes)
        self.limits = limits
    }

    mutating func readStream() throws(DocumentFailure) -> [Value] {
        var documents: [Value] = []
        while true {
            switch try events.next() {
            case .streamStart, .documentEnd: continue
            case .streamEnd: return documents
            case .documentStart:
                let value = try readValue(try events.next(), depth: 0)
                if !value.isNull { documents.append(value) }
            case .scalar, .sequenceStart, .sequenceEnd, .mappingStart, .mappingEnd: throw unexpected()
            }
        }
    }

    private mutating func readValue(_ event: YAMLEvent, depth: Int) throws(DocumentFailure) -> Value {
        let position = events.position
        try count(depth: depth)
        switch event {
        case .scalar(let text, let tag, let isPlain):
            guard let content = YAMLScalar.content(text, tag: tag, isPlain: isPlain) else { throw badTag(tag) }
            return Value(content, at: position)
        case .sequenceStart(let tag):
            guard tag == nil || tag == "tag:yaml.org,2002:seq" else { throw badTag(tag) }
            return Value(.sequence(try readSequence(depth: depth + 1)), at: position)
        case .mappingStart(let tag):
            guard tag == nil || tag == "tag:yaml.org,2002:map" else { throw badTag(tag) }
            return Value(.mapping(try readMapping(depth: depth + 1)), at: position)
        case .streamStart, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd: throw unexpected()
        }
    }

    private mutating func readSequence(depth: Int) throws(DocumentFailure) -> [Value] {
        var values: [Value] = []
        while true {
            let event = try events.next()
            if case .sequenceEnd = event { return values }
            values.append(try readValue(event, depth: depth))
        }
    }

    private mutating func readMapping(depth: Int) throws(DocumentFailure) -> [Value.Entry] {
        var entries: [Value.Entry] = []
        var seen: Set<String> = []
        while true {
            let event = try events.next()
            if case .mappingEnd = event { return entries }
            let position = events.position
            guard case .scalar(let key, let tag, let isPlain) = event, tag == nil || tag == "!" || tag == "tag:yaml.org,2002:str"
            else { throw DocumentFailure("a key must be a plain word or a string", at: position) }
            if isPlain, key == "<<" {
                throw DocumentFailure("merge keys (<<) are not accepted", at: position, remedy: "Write the fields out.")
            }
            try count(depth: depth)
            guard seen.insert(key).inserted else {
                throw DocumentFailure("the key `\(key)` is there twice", at: position, remedy: "Remove one of them.")
            }
            entries.append(Value.Entry(key, at: position, try readValue(try events.next(), depth: depth)))
        }
    }

    private mutating func count(depth: Int) throws(DocumentFailure) {
        nodes += 1
        guard nodes <= limits.nodes else {
            throw DocumentFailure("the text has more than \(limits.nodes) values", at: events.position, remedy: "Split the file.")
        }
        guard depth <= limits.depth else {
            throw DocumentFailure("values lie more than \(limits.depth) levels deep", at: events.position)
        }
    }

    private func badTag(_ tag: String?) -> DocumentFailure {
        DocumentFailure("the tag \(tag ?? "") does not fit here", at: events.position, remedy: "Remove the tag.")
    }

    /// libyaml's grammar excludes it; if it happens all the same, the text is to blame, not the process.
    private func unexpected() -> DocumentFailure {
        DocumentFailure("this is not YAML: unexpected event", at: events.position)
    }
}
