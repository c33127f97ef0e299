// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Kernel

/// Writes the last mesh, as it comes. What is written counts from the next mark on; until the first mark of a new file the one before it stands.
/// Blocking, on the mesh's thread; a failure is told at the next mark, which then writes everything anew.
struct MeshJournal: ~Copyable {
    private let last: LastMesh
    private var file: Descriptor?
    /// The file hasn't its name yet.
    private var isNew = false
    private var size = 0
    private var digest = SectionDigest()
    private var failure: Errno?

    /// A file is written anew when it is this much longer than what it says.
    private static let slack = 8 << 20

    private var draft: String { "\(last.path).new" }

    init(_ last: LastMesh) { self.last = last }

    /// Goes on behind what was read.
    mutating func resume(at size: Int) {
        do throws(Errno) {
            file = try File.openForWriting(last.path, at: size, mode: 0o600)
            self.size = size
        } catch { fail(error) }
    }

    mutating func add(_ kind: LastMesh.Kind, _ content: [UInt8] = []) {
        guard failure == nil else { return }
        do throws(Errno) {
            try begin()
            let head = LastMesh.head(kind, content)
            digest.add(head, content)
            try write(head)
            try write(content)
        } catch { fail(error) }
    }

    /// Marks all that was written as a whole mesh, and has it on the disk.
    /// - Parameter mesh: what it is, for a file that has grown too long or couldn't be written.
    mutating func mark(_ mesh: ReceivedMesh) throws(Errno) {
        if failure != nil || size > 2 * mesh.held.bytes + Self.slack { restart(mesh) }
        if let failure { throw failure }
        do throws(Errno) {
            try begin()
            try write(LastMesh.head(.whole, digest.value))
            try write(digest.value)
            digest = SectionDigest()
            try file?.synchronise()
            guard isNew else { return }
            try File.rename(draft, to: last.path)
            isNew = false
        } catch {
            fail(error)
            throw error
        }
    }

    private mutating func restart(_ mesh: ReceivedMesh) {
        file = nil
        failure = nil
        mesh.forEachResponse { add(.response, $0) }
    }

    private mutating func begin() throws(Errno) {
        guard file == nil else { return }
        file = try File.openForWriting(draft, at: 0, mode: 0o600)
        (isNew, size, digest) = (true, 0, SectionDigest())
        try write(LastMesh.head)
    }

    private mutating func write(_ bytes: [UInt8]) throws(Errno) {
        try file?.writeAll(bytes)
        size += bytes.count
    }

    private mutating func fail(_ failure: Errno) {
        self.failure = failure
        file = nil
    }
}
