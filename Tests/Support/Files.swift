// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Whole files and folders, as tests want them: small, at once, and with an error that names the path.
package enum Files {
    /// A file or folder couldn't be read or written.
    package struct Failure: Error, CustomStringConvertible {
        package let path: String
        package let code: CInt

        package var description: String { unsafe "\(path): \(String(cString: strerror(code)))" }
    }

    /// The bytes of a file, at most `limit` of them.
    package static func read(_ path: String, limit: Int = 64 << 20) throws -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(path: path, code: errno) }
        defer { close(descriptor) }
        return read(descriptor: descriptor, limit: limit)
    }

    /// The text of a file; what isn't UTF-8 is replaced.
    package static func text(_ path: String) throws -> String {
        String(decoding: try read(path), as: UTF8.self)
    }

    /// What stands in an open file from its beginning, whatever its position. The descriptor stays the caller's.
    package static func read(descriptor: CInt, from start: Int = 0, limit: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < limit {
            let count = unsafe pread(descriptor, &chunk, min(chunk.count, limit - bytes.count), start + bytes.count)
            if count > 0 { bytes += chunk[..<count] } else if count == 0 || errno != EINTR { break }
        }
        return bytes
    }

    /// Replaces a file at once: readers see the old text or the new one, never half of it.
    package static func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws {
        let draft = "\(path).draft"
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw Failure(path: draft, code: errno) }
        let bytes = Array(text.utf8)
        let written = unsafe Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
        guard written == bytes.count, unsafe rename(draft, path) == 0 else { throw Failure(path: path, code: errno) }
    }

    /// Makes a folder with those above it; one that is there is fine.
    package static func makeFolder(_ path: String) throws {
        var above = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            above += "/\(part)"
            if unsafe mkdir(above, 0o755) != 0, errno != EEXIST { throw Failure(path: above, code: errno) }
        }
    }

    /// Makes a symbolic link.
    package static func link(_ path: String, to target: String) throws {
        guard unsafe symlink(target, path) == 0 else { throw Failure(path: path, code: errno) }
    }

    /// Makes a named pipe, which nobody writes.
    package static func makePipe(_ path: String) throws {
        guard unsafe mkfifo(path, 0o600) == 0 else { throw Failure(path: path, code: errno) }
    }

    package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    package static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in a folder, sorted, without `.` and `..`.
    package static func list(_ folder: String) throws -> [String] {
        guard let stream = unsafe opendir(folder) else { throw Failure(path: folder, code: errno) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe String(cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Every file below a folder as a path relative to it, sorted; folders whose name is in `skipping` are left out.
    package static func walk(_ folder: String, skipping: Set<String> = []) throws -> [String] {
        var found: [String] = []
        for name in try list(folder) where !skipping.contains(name) {
            let path = "\(folder)/\(name)"
            if isFolder(path) {
                found += try walk(path, skipping: skipping).map { "\(name)/\($0)" }
            } else {
                found.append(name)
            }
        }
        return found
    }

    /// A fresh folder of our own under TMPDIR; whoever asked removes it.
    package static func makeTemporaryFolder() throws -> String {
        let base = environment("TMPDIR") ?? "/tmp"
        var template = Array("\(base)/warren-test-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw Failure(path: base, code: errno) }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes a file, or a folder with all that is in it. What isn't there is fine.
    package static func remove(_ path: String) {
        if isFolder(path), let names = try? list(path) {
            for name in names { remove("\(path)/\(name)") }
            unsafe rmdir(path)
        } else {
            unsafe unlink(path)
        }
    }

    /// A variable of the test process's environment; nil if unset or empty.
    package static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }
}
