// SPDX-License-Identifier: Apache-2.0

import CNGHTTP2

/// One header block while it is decoded: collected within bounds, held against RFC 9113 §8.2, §8.3 and §8.5.
///
/// A value inside the session, which decodes one block at a time. The library's own check of messages is off on servers, because
/// it resets the streams of CONNECT requests without a usable authority, and those deserve a 400.
struct HTTP2HeaderBlock {
    enum Kind {
        case request
        case response
        case trailers
    }

    /// Why a block can't be taken. The stream is reset; the connection goes on, since the block was decoded all the same.
    enum Flaw: Equatable {
        case malformed
        case tooLarge
    }

    let kind: Kind
    private let maximumSize: Int
    private let maximumCount: Int
    private(set) var flaw: Flaw?
    private(set) var headers = HTTPHeaders()
    private(set) var method: String?
    private(set) var authority: String?
    private(set) var scheme: String?
    private(set) var path: String?
    private(set) var status: Int?
    /// What `content-length` announces.
    private(set) var contentLength: Int?
    private var pseudoHeaderSize = 0

    init(_ kind: Kind, _ settings: HTTP2Settings) {
        self.kind = kind
        maximumSize = Int(settings.maxHeaderListSize)
        maximumCount = settings.maxHeaderCount
    }

    /// Takes the next field. After a flaw nothing more is kept.
    mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard flaw == nil else { return }
        guard fits(name.count, value.count) else { return flaw = .tooLarge }
        guard unsafe isValid(name, value) else { return flaw = .malformed }
        if unsafe name.first == UInt8(ascii: ":") {
            unsafe addPseudoHeader(String(decoding: name, as: UTF8.self), value)
        } else {
            unsafe addField(String(decoding: name, as: UTF8.self), name, value)
        }
    }

    private func fits(_ name: Int, _ value: Int) -> Bool {
        headers.count < maximumCount && pseudoHeaderSize + headers.listSize + name + value + 32 <= maximumSize
    }

    /// Lower-case names of token characters; values without NUL, CR, LF and without white space around them.
    private func isValid(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        unsafe name.withMemoryRebound(to: UInt8.self) { name in
            unsafe value.withMemoryRebound(to: UInt8.self) { value in
                unsafe nghttp2_check_header_name(name.baseAddress, name.count) != 0
                    && nghttp2_check_header_value_rfc9113(value.baseAddress, value.count) != 0
            }
        }
    }

    /// Pseudo-headers come first, once each, and only those that the message may have. `:protocol` isn't among them: we don't announce
    /// extended CONNECT (RFC 8441 §3).
    private mutating func addPseudoHeader(_ name: String, _ value: UnsafeRawBufferPointer) {
        guard headers.isEmpty else { return flaw = .malformed }
        pseudoHeaderSize += name.utf8.count + value.count + 32
        let text = unsafe String(decoding: value, as: UTF8.self)
        switch (kind, name) {
        case (.request, ":method"): set(\.method, text)
        case (.request, ":authority"): set(\.authority, text)
        case (.request, ":scheme"): set(\.scheme, text)
        case (.request, ":path"): set(\.path, text)
        case (.response, ":status"): setStatus(text)
        default: flaw = .malformed
        }
    }

    private mutating func set(_ field: WritableKeyPath<HTTP2HeaderBlock, String?>, _ text: String) {
        if self[keyPath: field] != nil { flaw = .malformed }
        self[keyPath: field] = text
    }

    private mutating func setStatus(_ text: String) {
        guard status == nil, text.utf8.count == 3, let number = Int(text), (100...599).contains(number), number != 101 else {
            return flaw = .malformed
        }
        status = number
    }

    private mutating func addField(_ name: String, _ rawName: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        switch name {
        case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
            return flaw = .malformed
        case "te" where unsafe !Self.equals(value, "trailers"):
            return flaw = .malformed
        case "content-length":
            guard contentLength == nil, let length = unsafe Self.decimal(value) else { return flaw = .malformed }
            contentLength = length
        default:
            break
        }
        // As a CONNECT has it: baggage, forwarded and traceparent.
        if headers.isEmpty { headers.reserve(fields: 4, bytes: 384) }
        unsafe headers.append(received: rawName, value)
    }

    private static func equals(_ value: UnsafeRawBufferPointer, _ word: String) -> Bool {
        unsafe String(decoding: value, as: UTF8.self).lowercased() == word
    }

    /// Digits only, and no more of them than an `Int` holds.
    private static func decimal(_ value: UnsafeRawBufferPointer) -> Int? {
        guard (1...18).contains(value.count), unsafe value.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return unsafe value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}

extension HTTP2HeaderBlock {
    /// The request, once the block is complete; nil if it is malformed. A missing or empty authority passes: the application says 400.
    var request: HTTP2RequestHead? {
        guard kind == .request, flaw == nil, let method, !method.isEmpty, isMethod(method) else { return nil }
        if method == "CONNECT" {
            guard scheme == nil, path == nil else { return nil }
        } else {
            guard let scheme, !scheme.isEmpty, let path, !path.isEmpty else { return nil }
        }
        return HTTP2RequestHead(method: method, authority: authority ?? "", scheme: scheme, path: path, headers: headers)
    }

    /// A method is a token (RFC 9110 §9.1).
    private func isMethod(_ method: String) -> Bool {
        method.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
            case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"),
                UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
                UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
                true
            default: false
            }
        }
    }
}
