// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

struct FileTests {
    /// A directory that goes with the object.
    final class Folder {
        let path: String

        init() throws {
            path = "/tmp/warren-kernel-\(Limits.processID)-\(randomBytes(8).map { String($0, radix: 16) }.joined())"
            try File.makeDirectory(path, mode: 0o700)
        }

        deinit {
            var child = try? ChildProcess("rm", ["-rf", path], descriptors: [(2, 2)])
            _ = try? child?.wait(atMost: .seconds(10))
        }
    }

    @Test func `a file is replaced in one step, with its mode, and leaves no draft`() throws {
        let folder = try Folder()
        let path = "\(folder.path)/key"
        try File.replace(path, with: Array("old".utf8), mode: 0o644)
        try File.replace(path, with: Array("new".utf8), mode: 0o600)
        #expect(try File.read(path, limit: 3) == Array("new".utf8))
        let status = try File.status(path)
        #expect(status.mode == 0o600 && status.kind == .file && status.size == 3)
        #expect(try File.names(in: folder.path) == ["key"])
    }

    @Test func `what can't be replaced stays, and no draft with it`() throws {
        let folder = try Folder()
        try File.makeDirectory("\(folder.path)/taken/by/folders", mode: 0o755)
        #expect(throws: Errno.self) { try File.replace("\(folder.path)/taken", with: [1], mode: 0o600) }
        #expect(throws: Errno.noSuchFile) { try File.replace("\(folder.path)/nowhere/a", with: [1], mode: 0o600) }
        #expect(try File.names(in: folder.path) == ["taken"])
    }

    @Test func `a file above the limit is refused, also one without a length`() throws {
        let folder = try Folder()
        let path = "\(folder.path)/big"
        try File.replace(path, with: [UInt8](repeating: 1, count: 100_000), mode: 0o600)
        #expect(try File.read(path, limit: 100_000).count == 100_000)
        #expect(throws: Errno.fileTooLarge) { try File.read(path, limit: 99_999) }
        #expect(throws: Errno.fileTooLarge) { try File.read("/dev/zero", limit: 1_000_000) }
    }

    @Test func `directories are made as far as they lack, and links are told from what they point to`() throws {
        let folder = try Folder()
        try File.makeDirectory("\(folder.path)/a/b/c", mode: 0o700)
        try File.makeDirectory("\(folder.path)/a/b/c", mode: 0o700)
        #expect(try File.status("\(folder.path)/a/b/c").mode == 0o700)
        #expect(try File.status("\(folder.path)/a/b").kind == .directory)
        #expect(try File.status("/proc/self/exe", followLink: false).kind == .link)
        #expect(try File.status("/proc/self/exe").kind == .file)
        #expect(throws: Errno.noSuchFile) { try File.status("\(folder.path)/none") }
        #expect(throws: Errno.noSuchFile) { try File.remove("\(folder.path)/none") }
    }

    @Test func `a watched directory tells of files that are written, made and removed, once`() throws {
        let folder = try Folder()
        let watch = try DirectoryWatch()
        try watch.add(folder.path)
        #expect(try watch.drain() == false)
        for change in [
            { try File.replace("\(folder.path)/a", with: [1], mode: 0o600) },
            { try File.makeDirectory("\(folder.path)/b", mode: 0o700) },
            { try File.remove("\(folder.path)/a") },
        ] as [() throws -> Void] {
            try change()
            #expect(try watch.drain())
            #expect(try watch.drain() == false)
        }
        #expect(throws: Errno.noSuchFile) { try DirectoryWatch().add("\(folder.path)/none") }
    }
}
