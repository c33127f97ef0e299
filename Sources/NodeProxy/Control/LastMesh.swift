// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Kernel
internal import Mesh
internal import TLS

/// The last good mesh on disk: what a host starts from when no control plane answers. It is what the control plane said, as it came, in the order in
/// which it came; so a change costs its own bytes. What stands behind the last mark that all before it is whole isn't read: nobody had that for the
/// mesh. Blocking; run as an errand.
///
///     warren-last-mesh 2\n
///     (kind, length as 8 bytes in network order, content) …
struct LastMesh: Sendable {
    enum Failure: Error {
        /// There is none: the host never had a mesh from a control plane, or somebody removed it.
        case absent
        case damaged(String)
    }

    /// What a record is.
    enum Kind: UInt8, CaseIterable {
        /// A call began. No content.
        case call = 0x62
        /// A DeltaDiscoveryResponse.
        case response = 0x72
        /// Somebody said that the store of the next response is right, whichever it is (I21). No content.
        case otherStore = 0x73
        /// All up to here is a whole mesh: a digest of the records since the last mark.
        case whole = 0x77
    }

    /// A mesh, and how much of the file it is.
    struct Loaded {
        let mesh: ReceivedMesh
        let size: Int
    }

    static let head = Array("warren-last-mesh 2\n".utf8)
    private static let limit = 1 << 30

    let path: String

    private let offer: ControlOffer

    init(directory: String, of offer: ControlOffer = .warren) {
        path = "\(directory)/\(offer.lastMesh)"
        self.offer = offer
    }

    func load(options: MeshOptions = MeshOptions(), bounds: DiscoveryBounds = DiscoveryBounds()) -> Result<Loaded, Failure> {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(path, limit: Self.limit)
        } catch {
            return .failure(error == .noSuchFile ? .absent : .damaged("it can't be read: \(error)"))
        }
        guard bytes.starts(with: Self.head) else {
            let isOurs = bytes.starts(with: Self.head.prefix { $0 != 0x20 })
            return .failure(.damaged(isOurs ? "it was written by another version of warrend" : "it is no last mesh"))
        }
        var reader = RecordReader(bytes[Self.head.count...])
        var mesh = ReceivedMesh(options: options, bounds: bounds, offer: offer)
        var size = 0
        while let section = reader.nextSection() {
            for record in section {
                if let reason = mesh.replay(record.kind, record.content) { return .failure(.damaged(reason)) }
            }
            size = reader.place
        }
        if let reason = reader.damage { return .failure(.damaged(reason)) }
        guard size > 0 else { return .failure(.damaged("nothing in it is whole")) }
        return .success(Loaded(mesh: mesh, size: size))
    }

    // MARK: - Records

    /// What stands before a record's content.
    static func head(_ kind: Kind, _ content: [UInt8]) -> [UInt8] {
        [kind.rawValue] + stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: content.count >> $0) }
    }
}

/// What was written since the last mark, as a digest that grows record by record.
struct SectionDigest {
    private(set) var value: [UInt8] = []

    mutating func add(_ head: [UInt8], _ content: [UInt8]) { value = SHA256.digest(value, SHA256.digest(head, content)) }
}

/// Reads records, a section at a time.
private struct RecordReader {
    struct Record {
        let kind: LastMesh.Kind
        let content: ArraySlice<UInt8>
    }

    private let bytes: ArraySlice<UInt8>
    /// Behind the last section that was whole.
    private(set) var place: Int
    /// What is wrong before the end: a write that was cut off is at the end.
    private(set) var damage: String?

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        place = bytes.startIndex
    }

    /// The records up to the next mark; nil if there is none.
    mutating func nextSection() -> [Record]? {
        var (records, digest, at): ([Record], SectionDigest, Int) = ([], SectionDigest(), place)
        while let (record, end) = readRecord(at: at) {
            if record.kind == .whole {
                guard record.content.elementsEqual(digest.value) else {
                    if end < bytes.endIndex { damage = "its content isn't what was written" }
                    return nil
                }
                place = end
                return records
            }
            let content = Array(record.content)
            digest.add(LastMesh.head(record.kind, content), content)
            records.append(record)
            at = end
        }
        return nil
    }

    private func readRecord(at start: Int) -> (Record, end: Int)? {
        guard bytes.endIndex - start >= 9, let kind = LastMesh.Kind(rawValue: bytes[start]) else { return nil }
        let length = bytes[start + 1..<start + 9].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        guard let count = Int(exactly: length), count <= bytes.endIndex - start - 9 else { return nil }
        let end = start + 9 + count
        return (Record(kind: kind, content: bytes[start + 9..<end]), end)
    }
}
