// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Somewhere in a lab where programs run: outside, on a host, or in a workload's namespace. Entering happens in children only.
package protocol LabPlace {
    /// The command that runs its further arguments here.
    var entry: [String] { get }
    /// A process that holds the mount namespace of this place.
    var holder: CInt { get }
}

extension LabPlace {
    /// Runs a program to its end.
    @discardableResult
    package func run(
        _ arguments: [String], environment: [String: String] = [:], input: String? = nil, seconds: Double = 20
    ) throws -> Outcome {
        let process = try start(arguments, environment: environment, input: input)
        if let status = process.wait(seconds: seconds) {
            return Outcome(status: status, timedOut: false, out: process.out, err: process.err)
        }
        process.stop(SIGKILL)
        return Outcome(status: -1, timedOut: true, out: process.out, err: process.err)
    }

    /// Runs shell text that must succeed; its output.
    @discardableResult
    package func sh(_ script: String, seconds: Double = 20) throws -> String {
        let outcome = try run(["sh", "-euc", script], seconds: seconds)
        guard outcome.succeeded else { throw LabFailure(description: "\(script)\n\(outcome)") }
        return outcome.out
    }

    /// Starts a program that goes on.
    package func start(
        _ arguments: [String], environment: [String: String] = [:], input: String? = nil, holdsInput: Bool = false
    ) throws -> LabProcess {
        try LabProcess(
            RunningCommand(entry + arguments, environment: environment, input: input, holdsInput: holdsInput), name: arguments[0])
    }

    /// Where a file of this place's mount namespace is found from the tests.
    package func path(_ file: String) -> String { "/proc/\(holder)/root\(file)" }

    /// Replaces a file at once, as editors and tools do; makes its folder if needed.
    package func write(_ file: String, _ text: String, mode: UInt32 = 0o644) throws {
        try Files.makeFolder(path(file.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }))
        try Files.write(text, to: path(file), mode: mode)
    }

    package func read(_ file: String) throws -> String { try Files.text(path(file)) }
    package func exists(_ file: String) -> Bool { Files.exists(path(file)) }
    package func remove(_ file: String) { Files.remove(path(file)) }

    /// All that capture could leave behind here, as text to compare: rules, policy routing, tables, the sysctls that it touches.
    package func networkState() throws -> String {
        let sysctls = [
            "net.ipv4.tcp_fwmark_accept", "net.ipv4.fwmark_reflect", "net.ipv6.fwmark_reflect", "net.ipv4.tcp_tw_reuse",
            "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.src_valid_mark",
            "net.ipv4.conf.all.route_localnet", "net.ipv4.conf.lo.route_localnet", "net.ipv4.ip_nonlocal_bind",
            "net.ipv6.ip_nonlocal_bind",
        ]
        return try sh(
            """
            nft --stateless list ruleset
            ip rule; ip -6 rule
            ip route show table all | grep -v -e ^broadcast -e 'table local'; ip -6 route show table all | grep -v 'table local' || true
            ip route show table local | grep -v -e ^broadcast; ip -6 route show table local
            for name in \(sysctls.joined(separator: " ")); do sysctl $name 2>/dev/null || true; done
            """)
    }

    /// Sockets as `ss` tells of them, without header.
    package func sockets(_ options: String...) throws -> [String] {
        try sh("ss -Hn \(options.joined(separator: " "))").split(separator: "\n").map(String.init)
    }
}

/// The lab itself failed, not what is tested in it.
package struct LabFailure: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}

/// The wire's namespace, which no mesh captures.
package struct LabOutside: LabPlace {
    package let holder: CInt
    package var entry: [String] { ["nsenter", "--target", "\(holder)", "--mount", "--net", "--pid", "--uts", "--"] }
    /// The command that runs its further arguments in its network alone, in its own place.
    package var networkEntry: [String] { ["nsenter", "--net=/proc/\(holder)/ns/net", "--"] }
    package var address: String { AddressPlan.outside }
    package var address6: String { AddressPlan.outside6 }
}
