// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// The files that `-f` names: one, or a folder's.
enum MeshInput {
    static let option = CommandOption(
        "file", short: "f", value: "PATH", "A file or a folder of resources; may come several times.")
    private static let endings = [".yaml", ".yml", ".json"]
    /// What the reader of documents takes, and a byte more so that it can say so.
    private static let limit = (16 << 20) + 1

    struct Failure: Error {
        let message: String
        let remedy: String
    }

    /// Every file with its bytes, folders in the order of names.
    static func read(_ paths: [String]) throws(Failure) -> [(name: String, text: [UInt8])] {
        var files: [(name: String, text: [UInt8])] = []
        for path in paths {
            for name in try names(path) { files.append((name, try bytes(name))) }
        }
        return files
    }

    private static func names(_ path: String) throws(Failure) -> [String] {
        do throws(Errno) {
            guard try File.status(path).kind == .directory else { return [path] }
            let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
            let names = try File.names(in: path).filter { name in !name.hasPrefix(".") && endings.contains { name.hasSuffix($0) }
            }
            return names.map { "\(folder)/\($0)" }
        } catch {
            throw Failure(message: "\(path) can't be read: \(error)", remedy: "Name a file or a folder of resources.")
        }
    }

    private static func bytes(_ path: String) throws(Failure) -> [UInt8] {
        do throws(Errno) {
            return try File.read(path, limit: limit)
        } catch {
            if error == .fileTooLarge {
                throw Failure(message: "\(path) has more than 16 MiB", remedy: "Split it into several files of a folder.")
            }
            throw Failure(message: "\(path) can't be read: \(error)", remedy: "Look at its permissions.")
        }
    }
}
