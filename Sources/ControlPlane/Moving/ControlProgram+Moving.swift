// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel

/// The commands that put a whole store somewhere, while no control plane serves it.
extension ControlProgram {
    static func restore(_ arguments: ArraySlice<String>, _ path: String?, store: String?) -> CInt {
        var (files, passphrase, replaces): ([String], String?, Bool) = ([], nil, false)
        var rest = arguments
        while let word = rest.popFirst() {
            switch word {
            case "--replace": replaces = true
            case "--passphrase-file":
                guard let file = rest.popFirst() else { return refuse("--passphrase-file needs a file") }
                passphrase = file
            case _ where word.hasPrefix("-"): return refuse("unknown argument '\(word)'")
            default: files.append(word)
            }
        }
        guard files.count == 1 else { return refuse("restore needs one file") }
        guard let configuration = read(path, store: store) else { return ExitCode.configuration }
        return done { () throws(ControlFailure) in
            try Restore(
                file: files[0], passphraseFile: passphrase, replaces: replaces, configuration: configuration, tell: tell
            ).run()
        }
    }

    static func migrate(_ arguments: ArraySlice<String>, _ path: String?) -> CInt {
        var values: [String: String] = [:]
        var isCancelled = false
        var rest = arguments
        while let word = rest.popFirst() {
            switch word {
            case "--cancel": isCancelled = true
            case "--to", "--ca", "--certificate", "--key", "--user", "--password-file":
                guard let value = rest.popFirst() else { return refuse("\(word) needs a value") }
                values[word] = value
            default: return refuse("unknown argument '\(word)'")
            }
        }
        guard let configuration = read(path) else { return ExitCode.configuration }
        var target = configuration.store
        if let address = values["--to"] { target.etcd = address }
        if let file = values["--ca"] { target.ca = file }
        if let file = values["--certificate"] { target.certificate = file }
        if let file = values["--key"] { target.key = file }
        if let user = values["--user"] { target.user = user }
        if let file = values["--password-file"] { target.passwordFile = file }
        let migration = Migration(target: target, configuration: configuration, tell: tell)
        return done { () throws(ControlFailure) in isCancelled ? try migration.cancel() : try migration.run() }
    }

    private static func done(_ work: () throws(ControlFailure) -> String) -> CInt {
        do throws(ControlFailure) { return say(try work()) } catch { return fail(error.description, ExitCode.unavailable) }
    }

    private static func tell(_ line: String) { StandardStream.error.write("warren-control: \(line)\n") }
}
