// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Where contexts are kept: `config.yaml` below the user's configuration folder. It holds tokens and is for its owner alone.
struct ContextFile {
    let path: String
    /// Nobody has so many control planes.
    private static let limit = 4 << 20

    /// WARREN_CONFIG names the file; else it is below XDG_CONFIG_HOME or the home folder. Nil without a home.
    init?(_ environment: (String) -> String?) {
        func named(_ variable: String) -> String? { environment(variable).flatMap { $0.isEmpty ? nil : $0 } }
        if let path = named("WARREN_CONFIG") {
            self.path = path
        } else if let folder = named("XDG_CONFIG_HOME") {
            path = "\(folder)/warren/config.yaml"
        } else if let home = named("HOME") {
            path = "\(home)/.config/warren/config.yaml"
        } else {
            return nil
        }
    }

    /// An absent file has no contexts.
    func read() throws(ControlFailure) -> ContextList {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(path, limit: Self.limit)
        } catch {
            if error == .noSuchFile { return ContextList() }
            throw ControlFailure("\(path) can't be read: \(error)", remedy: "Look at its permissions.")
        }
        return try ContextList(bytes, file: path)
    }

    func write(_ list: ContextList) throws(ControlFailure) {
        do throws(Errno) {
            let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            if !folder.isEmpty { try File.makeDirectory(folder, mode: 0o700) }
            try File.replace(path, with: Array(list.text.utf8), mode: 0o600)
        } catch {
            throw ControlFailure("\(path) can't be written: \(error)", remedy: "Look at its folder's permissions.")
        }
    }
}
