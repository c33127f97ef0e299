// SPDX-License-Identifier: Apache-2.0

internal import Capture
internal import Daemon
internal import Documents
internal import Kernel

/// The command line of `warrend`.
package enum NodeProgram {
    private static let help = """
        warrend: the node proxy of the Warren mesh. One per host, as root.

        Usage:
          warrend [--take-over] [--config FILE]
                                            serve, in the foreground; with --take-over in place of the one
                                            that serves, without a connection refused or cut
          warrend upgrade [--unit NAME] [--config FILE]
                                            have systemd start the program anew as above: the one that runs
                                            finishes its connections, however long they last
          warrend check-config [--config FILE]
                                            read the configuration and say what is wrong with it
          warrend cleanup [--config FILE]   remove every rule, route and setting of capture from this
                                            host's network namespaces; not while warrend runs
          warrend guard [--config FILE]     keep off the network whom the last warrend captured, until the
                                            next one does; for the units, at boot and after an end
          warrend --version
          warrend --help

        FILE is \(DaemonConfiguration.standardPath) unless said otherwise. Signals: SIGHUP reads the mesh again,
        SIGTERM lets open connections finish and ends, of those too that finish theirs after an upgrade;
        a second one ends at once. Capture stays in
        place when warrend ends: captured workloads have no TCP until it is back.

        Examples:
          warrend --config /etc/warren/warrend.yaml
          warrend upgrade
          warrend cleanup
        """

    package static func run(_ arguments: [String]) -> CInt {
        var rest = Array(arguments.dropFirst())
        if rest.first == RulesChild.argument { runRulesChild() }
        if rest.first == StandIn.argument { return StandIn.run(Array(rest.dropFirst())) }
        if rest.contains("--help") || rest.contains("-h") { return say(help) }
        if rest.contains("--version") { return say("warrend \(warrenVersion)") }
        var path = DaemonConfiguration.standardPath
        if let index = rest.firstIndex(of: "--config") {
            guard index + 1 < rest.count else { return refuse("--config needs a file") }
            path = rest[index + 1]
            rest.removeSubrange(index...index + 1)
        }
        var unit = UpgradeCommand.unit
        if let index = rest.firstIndex(of: "--unit") {
            guard index + 1 < rest.count, rest.first == "upgrade" else { return refuse("--unit needs a name, after `upgrade`") }
            unit = rest[index + 1]
            rest.removeSubrange(index...index + 1)
        }
        guard rest.count <= 1 else { return refuse("too many arguments: \(rest.joined(separator: " "))") }
        switch rest.first {
        case nil: return serve(path, takesOver: false)
        case "--take-over": return serve(path, takesOver: true)
        case "upgrade": return UpgradeCommand.run(read(path), unit: unit)
        case "check-config": return read(path) == nil ? ExitCode.configuration : say("\(path) is good")
        case "cleanup": return Cleanup.run(read(path))
        case "guard": return GuardCommand.run(read(path))
        case let word?: return refuse("unknown argument '\(word)'")
        }
    }

    private static func serve(_ path: String, takesOver: Bool) -> CInt {
        guard Limits.userID == 0 else { return fail("warrend needs to run as root: it enters network namespaces", 77) }
        do throws(Errno) {
            let signals = try SignalDescriptor()
            guard let configuration = read(path) else { return ExitCode.configuration }
            return try Assembly.run(configuration, signals: signals, takesOver: takesOver)
        } catch {
            return fail("can't start: \(error)", 71)
        }
    }

    /// The configuration; nil after its findings were written.
    private static func read(_ path: String) -> DaemonConfiguration? {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(path, limit: 1 << 20)
        } catch {
            _ = fail("\(path) can't be read: \(error). Write it, or name another with --config", 0)
            return nil
        }
        let (configuration, findings) = DaemonConfiguration.read(bytes, node: hostName())
        for finding in findings {
            let position = "\(path):\(finding.position.line):\(finding.position.column)"
            StandardStream.error.write(
                "\(position): \(finding.severity.rawValue) \(finding.code): \(finding.message). \(finding.remedy)\n")
        }
        return findings.contains { $0.severity == .error } ? nil : configuration
    }

    private static func say(_ text: String) -> CInt {
        StandardStream.output.write(text + "\n")
        return 0
    }

    private static func refuse(_ text: String) -> CInt { fail("\(text). `warrend --help` shows what there is", ExitCode.usage) }

    private static func fail(_ text: String, _ code: CInt) -> CInt {
        StandardStream.error.write("warrend: \(text)\n")
        return code
    }
}
