// SPDX-License-Identifier: Apache-2.0

/// What one end of a tunnel tells of its workload in the `baggage` header: a W3C list with Istio's keys.
///
/// Labels for telemetry only. A peer writes what it likes, so nothing is decided by it; what isn't a plain, short text is left out.
package struct Baggage: Hashable, Sendable {
    /// What kind of thing the workload belongs to.
    package enum WorkloadKind: String, Hashable, Sendable, CaseIterable {
        case deployment
        case cronjob
        case job
        case pod
    }

    package var cluster: String?
    package var namespace: String?
    package var workloadKind: WorkloadKind?
    /// The name of the workload; written only together with its kind.
    package var workloadName: String?
    /// The canonical service and its revision.
    package var service: String?
    package var revision: String?
    package var region: String?
    package var zone: String?

    package init() {}

    package var isEmpty: Bool { self == Baggage() }
}

// MARK: - Reading

extension Baggage {
    /// The longest list, and the most members, that the W3C obliges anybody to carry; what goes beyond says nothing here.
    private static let maximumLength = 8192
    private static let maximumMembers = 64
    /// No name of Kubernetes is longer.
    private static let maximumValue = 253

    /// From one header. Members that are unknown, malformed or too long are passed over; the first of a key counts.
    package init(_ text: String) { self.init(lines: CollectionOfOne(text)) }

    /// From all `baggage` headers of a message, which are one list.
    package init(_ headers: HTTPHeaders) { self.init(lines: headers.values("baggage")) }

    private init(lines: some Collection<String>) {
        guard lines.reduce(0, { $0 + $1.utf8.count }) <= Self.maximumLength else { return }
        var left = Self.maximumMembers
        for line in lines {
            for member in line.utf8.split(separator: UInt8(ascii: ","), maxSplits: left) {
                left -= 1
                guard left >= 0 else { return }
                read(member)
            }
        }
    }

    /// `key = value ; property …`, white space around each part.
    private mutating func read(_ member: Substring.UTF8View) {
        let pair = member.prefix { $0 != UInt8(ascii: ";") }
        guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return }
        let key = Substring(Self.trimmed(pair[..<equals]))
        guard let value = Self.decoded(Self.trimmed(pair[pair.index(after: equals)...])) else { return }
        switch key {
        case "k8s.cluster.name": take(\.cluster, value)
        case "k8s.namespace.name": take(\.namespace, value)
        case "service.name": take(\.service, value)
        case "service.version": take(\.revision, value)
        case "cloud.region": take(\.region, value)
        case "cloud.availability_zone": take(\.zone, value)
        default: readWorkload(key, value)
        }
    }

    private mutating func take(_ field: WritableKeyPath<Baggage, String?>, _ value: String) {
        if self[keyPath: field] == nil { self[keyPath: field] = value }
    }

    private mutating func readWorkload(_ key: Substring, _ value: String) {
        guard workloadKind == nil, let kind = WorkloadKind.allCases.first(where: { key == "k8s.\($0.rawValue).name" }) else {
            return
        }
        workloadKind = kind
        workloadName = value
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        var rest = text.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest = rest.dropLast() }
        return rest
    }

    /// The value without its percent-encoding; nil if that is broken, or if what comes out isn't printable text of a sensible length.
    private static func decoded(_ text: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(byte)
            }
        }
        guard (1...maximumValue).contains(bytes.count), bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

// MARK: - Writing

extension Baggage: CustomStringConvertible {
    /// The value of the header, keys in the order in which ztunnel writes them.
    package var description: String {
        let workload = workloadKind.map { "k8s.\($0.rawValue).name" }
        let members: [(String?, String?)] = [
            ("k8s.cluster.name", cluster), ("k8s.namespace.name", namespace), (workload, workloadName), ("service.name", service),
            ("service.version", revision), ("cloud.region", region), ("cloud.availability_zone", zone),
        ]
        return members.compactMap { key, value in
            guard let key, let value, !value.isEmpty else { return nil }
            return "\(key)=\(Self.encoded(value))"
        }.joined(separator: ",")
    }

    private static func encoded(_ value: String) -> String {
        value.utf8.reduce(into: "") { text, byte in
            if isPlain(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
    }

    /// A baggage-octet that isn't the mark of an encoding.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "%"), UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\\"): false
        default: (0x21...0x7e).contains(byte)
        }
    }
}
