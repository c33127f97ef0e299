// SPDX-License-Identifier: Apache-2.0

import CYAML

/// One event of a YAML stream, as values of ours. Anchors and aliases are refused before they become one: a few lines of them can
/// stand for gigabytes, or for a tree that contains itself.
enum YAMLEvent {
    case streamStart
    case streamEnd
    case documentStart
    case documentEnd
    /// `isPlain`: written without quotes, so that its text decides what it is.
    case scalar(text: String, tag: String?, isPlain: Bool)
    case sequenceStart(tag: String?)
    case sequenceEnd
    case mappingStart(tag: String?)
    case mappingEnd
}

/// Owns one libyaml parser and a copy of its input. Used by one reader on one thread; ends with it.
@safe final class YAMLEvents {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    /// Where the last event began.
    private(set) var position = Position.start

    init(_ bytes: [UInt8]) {
        unsafe input = .allocate(capacity: bytes.count)
        _ = unsafe input.initialize(fromContentsOf: bytes)
        unsafe parser = .allocate(capacity: 1)
        unsafe parser.initialize(to: yaml_parser_t())
        // Fails only when there is no memory left.
        let made = unsafe yaml_parser_initialize(parser)
        precondition(made == 1, "no memory for a YAML parser")
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    func next() throws(DocumentFailure) -> YAMLEvent {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw failure() }
        defer { unsafe yaml_event_delete(&event) }
        let mark = unsafe event.start_mark
        position = Position(line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1)
        switch unsafe event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_STREAM_END_EVENT: return .streamEnd
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            try unsafe refuse(anchor: scalar.anchor)
            return .scalar(
                text: unsafe String(
                    decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self),
                tag: unsafe text(scalar.tag), isPlain: unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE)
        case YAML_SEQUENCE_START_EVENT:
            try unsafe refuse(anchor: event.data.sequence_start.anchor)
            return .sequenceStart(tag: unsafe text(event.data.sequence_start.tag))
        case YAML_MAPPING_START_EVENT:
            try unsafe refuse(anchor: event.data.mapping_start.anchor)
            return .mappingStart(tag: unsafe text(event.data.mapping_start.tag))
        default:
            // An alias, the only type left.
            throw Self.aliasFailure(at: position)
        }
    }

    private func refuse(anchor: UnsafeMutablePointer<yaml_char_t>?) throws(DocumentFailure) {
        if unsafe anchor != nil { throw Self.aliasFailure(at: position) }
    }

    private static func aliasFailure(at position: Position) -> DocumentFailure {
        DocumentFailure(
            "anchors (&name) and aliases (*name) are not accepted", at: position, remedy: "Write the value out where it is used.")
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        unsafe pointer.map { unsafe String(cString: $0) }
    }

    /// What libyaml says of its failure, with the place, which it knows by line or, for bytes that aren't UTF-8, by offset.
    private func failure() -> DocumentFailure {
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "unknown problem"
        let context = unsafe parser.pointee.context.map { unsafe " " + String(cString: $0) } ?? ""
        let mark = unsafe parser.pointee.problem_mark
        guard unsafe parser.pointee.error == YAML_READER_ERROR else {
            let position = Position(line: Int(clamping: mark.line) + 1, column: Int(clamping: mark.column) + 1)
            return DocumentFailure("this is not YAML: \(problem)\(context)", at: position)
        }
        let offset = unsafe min(Int(clamping: parser.pointee.problem_offset), input.count)
        let before = unsafe input[..<offset]
        let line = unsafe before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = unsafe offset - (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1)
        return DocumentFailure("this is not YAML: \(problem)", at: Position(line: line, column: column))
    }
}
