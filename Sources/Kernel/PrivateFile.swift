// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Reads files that hold a secret: whoever may read or replace them has it too. A file is judged and read by one descriptor, so that what was judged
/// is what is read, whatever its name leads to meanwhile. Blocking.
package enum PrivateFile {
    /// Whose it may be.
    package enum Owner: Sendable {
        /// Whoever could open it for us.
        case anybody
        /// This process's user.
        case own
        /// This process's user or root.
        case ownOrRoot
    }

    /// Why it isn't read, or can't be.
    package enum Fault: Error, Equatable, Sendable {
        case unreadable(Errno)
        case notAFile
        case ofUser(UInt32)
        case openToOthers(mode: UInt32)

        /// With the remedy. - Parameter path: of the file.
        package func sentence(_ path: String) -> String {
            switch self {
            case .unreadable(let failure): "\(path) can't be read: \(failure)"
            case .notAFile: "\(path) is no file"
            case .ofUser(let user): "\(path) is user \(user)'s: run `chown root \(path)`"
            case .openToOthers: "\(path) may be read by others than its owner: run `chmod 600 \(path)`"
            }
        }
    }

    /// The whole file, which only its owner may use.
    /// - Parameters:
    ///   - limit: in bytes; of a larger file no more than one byte above it is read, and `fileTooLarge` is the fault.
    ///   - followLink: Kubernetes puts tokens and certificates behind symbolic links, and replaces those. The link of the last part alone.
    ///   - takesPipe: what isn't a file is taken too, and waited for: a shell's `<(…)` for what a person gives.
    package static func read(
        _ path: String, limit: Int, owner: Owner = .anybody, followLink: Bool = true, takesPipe: Bool = false
    ) throws(Fault) -> [UInt8] {
        let file = try opened(path, followLink: followLink, waits: takesPipe)
        let status: FileStatus
        do throws(Errno) { status = try File.status(of: file) } catch { throw .unreadable(error) }
        guard status.kind == .file || takesPipe else { throw .notAFile }
        let owners: [UInt32]? =
            switch owner {
            case .anybody: nil
            case .own: [Limits.userID]
            case .ownOrRoot: [Limits.userID, 0]
            }
        if let owners, !owners.contains(status.owner) { throw .ofUser(status.owner) }
        guard status.mode & 0o077 == 0 else { throw .openToOthers(mode: status.mode) }
        do throws(Errno) { return try file.readAll(limit: limit) } catch { throw .unreadable(error) }
    }

    /// - Parameter waits: for whoever writes into a pipe; else its name must not hold us.
    private static func opened(_ path: String, followLink: Bool, waits: Bool) throws(Fault) -> Descriptor {
        let flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (waits ? 0 : O_NONBLOCK) | (followLink ? 0 : O_NOFOLLOW)
        do throws(Errno) {
            return Descriptor(takingOwnership: try call { unsafe open(path, flags) })
        } catch {
            throw !followLink && error == .tooManyLinks ? .notAFile : .unreadable(error)
        }
    }
}
