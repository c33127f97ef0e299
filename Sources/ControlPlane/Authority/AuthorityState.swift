// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import TLS

/// What the authority consists of, by the names of its files, and how far a change of the root has come. A value; pure. On the disk it is the file
/// that is written last: what it doesn't name doesn't count.
struct AuthorityState: Hashable, Sendable {
    /// How far a change of the root has come.
    enum Phase: String, Sendable {
        /// The first start: nothing was issued yet, and what lies there may be made anew.
        case making
        /// One root.
        case steady
        /// A second root is trusted and being told to all; the first still signs.
        case introduced
        /// The second one signs; the first is trusted until what it signed has expired.
        case inUse
    }

    var phase: Phase
    /// Unix seconds.
    var since: Int64
    let trustDomain: String
    /// The number that the next file gets.
    var next: Int
    /// Those that are trusted, oldest first: one, or two during a change; of an adopted authority as many as it came with. `root-1` stands for
    /// `root-1.pem` and `root-1.key`, which isn't there for a root that others keep.
    var roots: [String]
    /// Whose key signs leaves: `intermediate-2`.
    var intermediate: String
    /// Of an authority that began as files of others: the SHA-256 of their issuing certificate. Files that hold it don't count any more.
    var adopted: String?

    /// The root that signed the intermediate.
    var signingRoot: String { phase == .inUse ? roots.last ?? "" : roots.first ?? "" }

    mutating func take(_ kind: String) -> String {
        defer { next += 1 }
        return "\(kind)-\(next)"
    }

    var files: Set<String> { Set((roots + [intermediate]).flatMap { ["\($0).pem", "\($0).key"] }) }
}

extension AuthorityState {
    static let version: Int64 = 1

    var text: [UInt8] {
        let value = Value.object(present: [
            ("version", .integer(Self.version)), ("phase", .string(phase.rawValue)), ("since", .integer(since)),
            ("trustDomain", .string(trustDomain)), ("next", .integer(next)), ("roots", .array(roots.map { .string($0) })),
            ("intermediate", .string(intermediate)), ("adopted", adopted.map { .string($0) }),
        ])
        return Array(value.prettyJSON.utf8)
    }

    /// Nil for what was not written by us.
    init?(_ text: [UInt8]) {
        guard let value = try? JSON.read(text), value["version"]?.integerValue == Self.version,
            let phase = value["phase"]?.stringValue.flatMap(Phase.init(rawValue:)), let since = value["since"]?.integerValue,
            let trustDomain = value["trustDomain"]?.stringValue,
            let next = value["next"]?.integerValue.flatMap({ Int(exactly: $0) }),
            let roots = value["roots"]?.sequenceValue?.compactMap(\.stringValue),
            let intermediate = value["intermediate"]?.stringValue,
            roots.count >= (phase == .introduced || phase == .inUse ? 2 : 1), roots.count <= Certificate.maximumRoots,
            (roots + [intermediate]).allSatisfy(Self.isName), next > 0
        else { return nil }
        self.phase = phase
        self.since = since
        self.trustDomain = trustDomain
        self.next = next
        self.roots = roots
        self.intermediate = intermediate
        adopted = value["adopted"]?.stringValue
    }

    /// Letters, digits and `-`: nothing that leads out of the directory.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
    }
}
