// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Changes files one after the other and puts them back as they were if the whole doesn't come about. One owner, for one change of the host.
final class HostFiles {
    private struct Former {
        let path: String
        /// Nil: there was none.
        let content: (bytes: [UInt8], mode: UInt32)?
    }

    private var formers: [Former] = []
    /// A configuration, a key, a chain: nothing of that kind is larger.
    private static let limit = 16 << 20

    /// What a file holds; nil if there is none.
    static func read(_ path: String) throws(ControlFailure) -> [UInt8]? {
        do throws(Errno) {
            return try File.read(path, limit: limit)
        } catch {
            if error == .noSuchFile { return nil }
            throw ControlFailure("\(path) can't be read: \(error)", remedy: "Use sudo, and look at its permissions.")
        }
    }

    func makeDirectory(_ path: String, mode: UInt32) throws(ControlFailure) {
        do throws(Errno) {
            try File.makeDirectory(path, mode: mode)
        } catch {
            throw ControlFailure("\(path) can't be made: \(error)", remedy: "Use sudo.")
        }
    }

    func replace(_ path: String, with bytes: [UInt8], mode: UInt32) throws(ControlFailure) {
        try remember(path)
        do throws(Errno) {
            try File.replace(path, with: bytes, mode: mode)
        } catch {
            throw ControlFailure("\(path) can't be written: \(error)", remedy: "Use sudo, and look at its folder.")
        }
    }

    /// One that isn't there is fine.
    func remove(_ path: String) throws(ControlFailure) {
        try remember(path)
        try Self.discard(path)
    }

    /// Removes a file for good. One that isn't there is fine.
    static func discard(_ path: String) throws(ControlFailure) {
        do throws(Errno) {
            try File.remove(path)
        } catch {
            guard error != .noSuchFile else { return }
            throw ControlFailure("\(path) can't be removed: \(error)", remedy: "Use sudo.")
        }
    }

    private func remember(_ path: String) throws(ControlFailure) {
        guard !formers.contains(where: { $0.path == path }) else { return }
        let mode = (try? File.status(path))?.mode
        let bytes = try Self.read(path)
        formers.append(Former(path: path, content: bytes.map { ($0, mode ?? 0o600) }))
    }

    /// Puts everything back, the last change first; what can't be put back.
    func undo() -> [String] {
        let lost = formers.reversed().filter { former in
            do throws(Errno) {
                if let content = former.content {
                    try File.replace(former.path, with: content.bytes, mode: content.mode)
                } else {
                    do throws(Errno) { try File.remove(former.path) } catch { if error != .noSuchFile { throw error } }
                }
                return false
            } catch {
                return true
            }
        }
        formers = []
        return lost.map(\.path)
    }
}
