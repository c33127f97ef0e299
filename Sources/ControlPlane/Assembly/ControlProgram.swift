// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import Kernel

/// What `warren-control` does with its command line.
package enum ControlProgram {
    private static let help = """
        warren-control: the control plane of the Warren mesh. Keeps the resources, issues certificates, tells hosts what they need.

        Usage:
          warren-control [--config FILE] [--store URL]
                                            serve, in the foreground
          warren-control check-config [--config FILE]
                                            read the configuration and say what is wrong with it
          warren-control restore FILE [--passphrase-file FILE] [--replace] [--config FILE] [--store URL]
                                            put a backup of `warren control backup` back, while nothing serves
          warren-control migrate --to URL [--ca FILE] [--certificate FILE] [--key FILE]
                         [--user NAME --password-file FILE] [--cancel] [--config FILE]
                                            move the store from its file into etcd, while nothing serves; what isn't
                                            said is taken from the configuration's `store`. --cancel takes a move
                                            back that was broken off
          warren-control --version
          warren-control --help

        No configuration is needed. FILE is \(ControlConfiguration.standardPath), if it is there, unless said
        otherwise. The store and the certificate authority are made at the first start. SIGTERM ends it.
        URL is etcd://HOST:PORT,HOST:PORT/PREFIX: the state is in that etcd cluster, which any number of
        control planes may share; store.ca, store.certificate and store.key of the configuration say how.

        Examples:
          warren-control
          warren-control --store etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379/warren
          kubectl --kubeconfig <(warren kubeconfig) get namespaces
        """

    package static func run(_ arguments: [String]) -> CInt {
        var rest = Array(arguments.dropFirst())
        if rest.contains("--help") || rest.contains("-h") { return say(help) }
        if rest.contains("--version") { return say("warren-control \(warrenVersion)") }
        var options: [String: String] = [:]
        for (name, what) in [("--config", "a file"), ("--store", "the address of etcd")] {
            guard let index = rest.firstIndex(of: name) else { continue }
            guard index + 1 < rest.count else { return refuse("\(name) needs \(what)") }
            options[name] = rest[index + 1]
            rest.removeSubrange(index...index + 1)
        }
        let (path, store) = (options["--config"], options["--store"])
        if rest.first == "restore" { return restore(rest.dropFirst(), path, store: store) }
        if rest.first == "migrate" {
            guard store == nil else { return refuse("migrate is told where to by --to") }
            return migrate(rest.dropFirst(), path)
        }
        guard rest.count <= 1 else { return refuse("too many arguments: \(rest.joined(separator: " "))") }
        switch rest.first {
        case nil: return serve(path, store: store)
        case "check-config": return read(path) == nil ? ExitCode.configuration : say("the configuration is good")
        case let word?: return refuse("unknown argument '\(word)'")
        }
    }

    private static func serve(_ path: String?, store: String?) -> CInt {
        do throws(Errno) {
            let signals = try SignalDescriptor()
            guard let configuration = read(path, store: store) else { return ExitCode.configuration }
            return try Assembly.run(configuration, signals: signals)
        } catch {
            return fail("can't start: \(error)", ExitCode.system)
        }
    }

    /// The configuration with the store that the command line says; nil after what is wrong was written.
    static func read(_ given: String?, store: String?) -> ControlConfiguration? {
        guard var configuration = read(given) else { return nil }
        guard let store else { return configuration }
        configuration.store.etcd = store
        guard let problem = configuration.store.problem else { return configuration }
        _ = fail("--store: \(problem.message). \(problem.remedy)", 0)
        return nil
    }

    /// The configuration; nil after its findings were written. A file that nobody named needn't be there.
    static func read(_ given: String?) -> ControlConfiguration? {
        let defaults = ControlConfiguration(names: [])
        let path = given ?? ControlConfiguration.standardPath
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(path, limit: 1 << 20)
        } catch {
            if given == nil, error == .noSuchFile { return defaults }
            _ = fail("\(path) can't be read: \(error). Write it, or name another with --config", 0)
            return nil
        }
        let (configuration, findings) = ControlConfiguration.read(bytes, defaults: defaults)
        for finding in findings {
            let position = "\(path):\(finding.position.line):\(finding.position.column)"
            StandardStream.error.write(
                "\(position): \(finding.severity.rawValue) \(finding.code): \(finding.message). \(finding.remedy)\n")
        }
        return findings.contains { $0.severity == .error } ? nil : configuration
    }

    static func say(_ text: String) -> CInt {
        StandardStream.output.write(text + "\n")
        return 0
    }

    static func refuse(_ text: String) -> CInt {
        fail("\(text). `warren-control --help` shows what there is", ExitCode.usage)
    }

    static func fail(_ text: String, _ code: CInt) -> CInt {
        StandardStream.error.write("warren-control: \(text)\n")
        return code
    }
}

/// As sysexits.h has them, so that systemd and scripts can tell.
enum ExitCode {
    static let usage: CInt = 64
    static let unavailable: CInt = 69
    static let system: CInt = 71
    static let configuration: CInt = 78
}
