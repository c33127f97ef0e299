// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What a file is, as far as we ask.
package struct FileStatus: Sendable {
    package enum Kind: Sendable { case file, directory, socket, link, other }

    package let kind: Kind
    package let size: Int64
    /// Permission bits, `0o600`.
    package let mode: UInt32
    package let owner: UInt32
    package let identity: NamespaceIdentity
    /// Seconds since 1970 and nanoseconds, of the last change of the content.
    package let modified: WallTime
}

/// Whole files, read with a bound and replaced in one step. Blocking: not for a loop that carries traffic.
package enum File {
    /// The whole file; `fileTooLarge` if it has more bytes than the limit, of which no more are read than that.
    package static func read(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
        let file = Descriptor(takingOwnership: try call { unsafe open(path, O_RDONLY | O_CLOEXEC) })
        return try file.readAll(limit: limit)
    }

    /// Replaces the file's content so that a reader, or we after a power cut, see the old bytes or the new, never a part.
    package static func replace(_ path: String, with bytes: [UInt8], mode: UInt32) throws(Errno) {
        let temporary = "\(path).new.\(getpid())"
        _ = unsafe unlink(temporary)
        do throws(Errno) {
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
            let file = Descriptor(takingOwnership: try call { unsafe open(temporary, flags, mode_t(mode)) })
            let number = file.number
            _ = try call { fchmod(number, mode_t(mode)) }
            try file.writeAll(bytes)
            _ = try call { fsync(number) }
            file.close()
            _ = try call { unsafe Glibc.rename(temporary, path) }
            try synchronise(directory: parent(of: path))
        } catch {
            _ = unsafe unlink(temporary)
            throw error
        }
    }

    /// A file to be written from a place on, made if it isn't there; what stood behind the place is gone.
    package static func openForWriting(_ path: String, at place: Int, mode: UInt32) throws(Errno) -> Descriptor {
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        let file = Descriptor(takingOwnership: try call { unsafe open(path, flags, mode_t(mode)) })
        let number = file.number
        _ = try call { fchmod(number, mode_t(mode)) }
        _ = try call { ftruncate(number, off_t(place)) }
        guard lseek(number, off_t(place), SEEK_SET) >= 0 else { throw .current }
        return file
    }

    /// Puts a file in another's place, and has that on the disk.
    package static func rename(_ path: String, to target: String) throws(Errno) {
        _ = try call { unsafe Glibc.rename(path, target) }
        try synchronise(directory: parent(of: target))
    }

    /// Writes a small value into an existing file of /proc or /sys.
    package static func write(_ path: String, _ text: String) throws(Errno) {
        let file = Descriptor(takingOwnership: try call { unsafe open(path, O_WRONLY | O_CLOEXEC) })
        try file.writeAll(Array(text.utf8))
    }

    /// Takes the lock of a file, made if it isn't there; held until the descriptor is closed, also by the process's end. `wouldBlock`: another
    /// process has it.
    package static func lock(_ path: String) throws(Errno) -> Descriptor {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        let file = Descriptor(takingOwnership: try call { unsafe open(path, flags, mode_t(0o600)) })
        let number = file.number
        _ = try call { flock(number, LOCK_EX | LOCK_NB) }
        return file
    }

    /// Permission bits of a file that is there.
    package static func changeMode(_ path: String, _ mode: UInt32) throws(Errno) {
        _ = try call { unsafe chmod(path, mode_t(mode)) }
    }

    /// Which file a descriptor has open, wherever its name may be by now.
    package static func identity(of descriptor: borrowing Descriptor) throws(Errno) -> NamespaceIdentity {
        try status(of: descriptor).identity
    }

    package static func remove(_ path: String) throws(Errno) { _ = try call { unsafe unlink(path) } }

    /// The directory and those above it, as far as they lack; `mode` for the last.
    package static func makeDirectory(_ path: String, mode: UInt32) throws(Errno) {
        if unsafe mkdir(path, mode_t(mode)) == 0 { return }
        let failure = Errno.current
        if failure == .exists { return }
        guard failure == .noSuchFile, path.contains("/"), path != "/" else { throw failure }
        try makeDirectory(parent(of: path), mode: 0o755)
        _ = try call { unsafe mkdir(path, mode_t(mode)) }
    }

    /// The names in a directory without `.` and `..`, sorted.
    package static func names(in path: String) throws(Errno) -> [String] {
        guard let directory = unsafe opendir(path) else { throw .current }
        defer { _ = unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Follows symbolic links unless told otherwise.
    package static func status(_ path: String, followLink: Bool = true) throws(Errno) -> FileStatus {
        var status = stat()
        _ = try call { unsafe followLink ? stat(path, &status) : lstat(path, &status) }
        return FileStatus(status)
    }

    /// What a descriptor has open, wherever its name may be by now.
    package static func status(of descriptor: borrowing Descriptor) throws(Errno) -> FileStatus {
        var status = stat()
        let number = descriptor.number
        _ = try call { unsafe fstat(number, &status) }
        return FileStatus(status)
    }

    private static func parent(of path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true).dropLast()
        return (path.hasPrefix("/") ? "/" : "") + (parts.isEmpty && !path.hasPrefix("/") ? "." : parts.joined(separator: "/"))
    }

    /// Has the names in a directory on the disk when it returns.
    package static func synchronise(directory: String) throws(Errno) {
        let file = Descriptor(takingOwnership: try call { unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
        let number = file.number
        _ = try call { fsync(number) }
    }
}

extension FileStatus {
    fileprivate init(_ status: stat) {
        let kind: Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFSOCK: .socket
            case S_IFLNK: .link
            default: .other
            }
        self.init(
            kind: kind, size: Int64(status.st_size), mode: UInt32(status.st_mode) & 0o7777, owner: status.st_uid,
            identity: NamespaceIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)),
            modified: WallTime(seconds: Int64(status.st_mtim.tv_sec), nanoseconds: Int64(status.st_mtim.tv_nsec)))
    }
}

extension Descriptor {
    /// Everything from here on; `fileTooLarge` if that is more than the limit, of which one byte more is read at most.
    package borrowing func readAll(limit: Int) throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            var chunk = [UInt8](repeating: 0, count: min(64 * 1024, limit - bytes.count + 1))
            guard case .moved(let count) = try read(into: &chunk) else { return bytes }
            guard bytes.count + count <= limit else { throw .fileTooLarge }
            bytes += chunk.prefix(count)
        }
    }

    /// Has what was written to a file on the disk when it returns.
    package borrowing func synchronise() throws(Errno) {
        let number = number
        _ = try call { fdatasync(number) }
    }

    /// Writes everything, waiting where the other side is slow: for files and blocking pipes and sockets.
    package borrowing func writeAll(_ bytes: [UInt8]) throws(Errno) {
        var sent = 0
        while sent < bytes.count {
            let number = number
            sent += try call {
                unsafe bytes.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress?.advanced(by: sent), $0.count - sent) }
            }
        }
    }
}
