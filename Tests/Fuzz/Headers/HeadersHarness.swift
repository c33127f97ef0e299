// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel

/// The headers of a tunnel that are read for telemetry: `baggage`, `traceparent`, `forwarded`. The first byte says which. What was read is
/// written and read again as the same, and what is written is a header value.
enum HeadersHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let kind = input.choice(5)
        let text = String(decoding: input.rest, as: UTF8.self)
        switch kind {
        case 0: check(Baggage(text), written: \.description) { Baggage($0) }
        case 1: if let trace = TraceContext(text) { check(trace, written: \.description) { TraceContext($0) } }
        case 2: if let forwarded = Forwarded(text) { check(forwarded, written: \.description) { Forwarded($0) } }
        case 3: checkOwn(text, input)
        default: checkLines(text)
        }
    }

    /// A value that is nothing but defaults is written as "", which is no header.
    private static func check<Header: Equatable>(
        _ value: Header, written: (Header) -> String, read: (String) -> Header?
    ) {
        let text = written(value)
        // RFC 9110 §5.5: no line ends, no NUL.
        invariant(text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "\(Header.self) is written with control characters")
        guard !text.isEmpty else { return }
        invariant(read(text) == value, "\(Header.self) reads otherwise than it was written: \(text)")
    }

    /// What our own end would write of names that are nobody's choice but the mesh's.
    private static func checkOwn(_ text: String, _ input: FuzzInput) {
        guard !text.isEmpty, text.utf8.count <= 253, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return }
        var baggage = Baggage()
        baggage.cluster = text
        baggage.namespace = text
        (baggage.workloadKind, baggage.workloadName) = (.pod, text)
        baggage.zone = text
        check(baggage, written: \.description) { Baggage($0) }
        let forwarded = Forwarded(source: SocketAddress(.loopbackV6, 1), host: text)
        check(forwarded, written: \.description) { Forwarded($0) }
    }

    /// Several headers of one message; each line is one.
    private static func checkLines(_ text: String) {
        var headers = HTTPHeaders()
        for line in text.split(separator: "\n") { headers.append("Baggage", String(line)) }
        let values = headers.values("baggage")
        invariant(values.count == headers.count, "a header was lost")
        invariant(values.allSatisfy { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 9 } }, "a line end in a header")
        check(Baggage(headers), written: \.description) { Baggage($0) }
        headers.set("baggage", "x")
        invariant(headers.values("BAGGAGE") == ["x"] && headers.count == 1, "a header was not replaced")
        headers.remove("baggage")
        invariant(headers.isEmpty && headers.listSize == 0, "a header was not removed")
    }
}
