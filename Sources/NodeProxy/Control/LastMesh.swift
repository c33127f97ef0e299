// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Kernel
internal import TLS

/// The last good mesh on disk: what a host starts from when no control plane answers. Blocking; run as an errand.
///
///     warren-last-mesh 1 SHA-256-OF-THE-REST COUNT\n
///     (length as 8 bytes, big endian; a DeltaDiscoveryResponse) × COUNT
struct LastMesh: Sendable {
    enum Failure: Error {
        /// There is none: the host never had a mesh from a control plane, or somebody removed it.
        case absent
        case damaged(String)
    }

    private static let name = "warren-last-mesh"
    private static let version = 1
    private static let limit = 1 << 30
    private static let headLimit = 256

    let path: String

    init(directory: String) { path = "\(directory)/last-mesh" }

    func save(_ mesh: ReceivedMesh) throws(Errno) {
        let responses = mesh.responses()
        var body: [UInt8] = []
        body.reserveCapacity(responses.reduce(0) { $0 + $1.count + 8 })
        for response in responses {
            for shift in stride(from: 56, through: 0, by: -8) { body.append(UInt8(truncatingIfNeeded: response.count >> shift)) }
            body += response
        }
        let head = Array("\(Self.name) \(Self.version) \(SHA256.hex(body)) \(responses.count)\n".utf8)
        try File.replace(path, with: head + body, mode: 0o600)
    }

    func load(bounds: DiscoveryBounds = DiscoveryBounds()) -> Result<ReceivedMesh, Failure> {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(path, limit: Self.limit)
        } catch {
            return .failure(error == .noSuchFile ? .absent : .damaged("it can't be read: \(error)"))
        }
        guard let end = bytes.prefix(Self.headLimit).firstIndex(of: 0x0a) else {
            return .failure(.damaged("it has no first line"))
        }
        let head = String(decoding: bytes[..<end], as: UTF8.self).split(separator: " ")
        guard head.count == 4, head[0] == Self.name else { return .failure(.damaged("it is no last mesh")) }
        guard Int(head[1]) == Self.version else {
            return .failure(.damaged("it is of version \(head[1]), written by another warrend"))
        }
        let body = bytes[(end + 1)...]
        guard SHA256.hex(Array(body)) == head[2] else { return .failure(.damaged("its content isn't what was written")) }
        return Self.read(body, bounds: bounds)
    }

    private static func read(_ body: ArraySlice<UInt8>, bounds: DiscoveryBounds) -> Result<ReceivedMesh, Failure> {
        var mesh = ReceivedMesh(bounds: bounds)
        var rest = body
        while !rest.isEmpty {
            guard rest.count >= 8 else { return .failure(.damaged("it ends inside a length")) }
            let length = rest.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
            rest = rest.dropFirst(8)
            guard let count = Int(exactly: length), count <= rest.count else {
                return .failure(.damaged("it ends inside a response"))
            }
            let taken = mesh.take(Array(rest.prefix(count)), isFirst: false)
            if let reason = taken.refusal ?? taken.outcome.rejection { return .failure(.damaged(reason)) }
            rest = rest.dropFirst(count)
        }
        return .success(mesh)
    }
}
