// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Daemon

/// deploy/systemd/warrend.service against what the daemon does.
@Suite struct ServiceUnitTests {
    /// The values of each setting, in order.
    private static func unit() throws -> [Substring: [Substring]] {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = String(decoding: try File.read("\(root)/deploy/systemd/warrend.service", limit: 1 << 16), as: UTF8.self)
        let pairs = text.split(separator: "\n").filter { !$0.hasPrefix("#") && $0.contains("=") }
            .map { ($0.prefix { $0 != "=" }, [$0.drop { $0 != "=" }.dropFirst()]) }
        return Dictionary(pairs) { $0 + $1 }
    }

    @Test func `a crash is over within a second, however often`() throws {
        let unit = try Self.unit()
        #expect(unit["Restart"] == ["always"] && unit["RestartSec"] == ["100ms"] && unit["StartLimitIntervalSec"] == ["0"])
        // What a restart doesn't mend: usage, not root, configuration.
        #expect(unit["RestartPreventExitStatus"] == ["64 77 78"])
    }

    @Test func `the unit waits as long as the daemon's own bounds`() throws {
        let unit = try Self.unit()
        let stop = try #require(unit["TimeoutStopSec"]?.first.flatMap { UInt64($0) })
        #expect(.seconds(stop) > DaemonConfiguration(node: "n").timeouts.drain)
        #expect(unit["Type"] == ["notify"] && unit["WatchdogSec"] == ["30"] && unit["KillMode"] == ["mixed"])
    }

    @Test func `the unit leaves the daemon what it writes and reads`() throws {
        let unit = try Self.unit()
        #expect(unit["ExecStart"]?.first?.hasSuffix(" --config \(DaemonConfiguration.standardPath)") == true)
        #expect(unit["RuntimeDirectory"] == ["warren"] && unit["RuntimeDirectoryPreserve"] == ["yes"])
        #expect(DaemonConfiguration(node: "n").runDirectory == "/run/warren")
        #expect(unit["StateDirectory"] == ["warren"])
        #expect(DaemonConfiguration(node: "n").identity.directory.hasPrefix("/var/lib/warren/"))
        // These would hide or close /proc/sys/net.
        #expect(unit["ProtectKernelTunables"] == nil && unit["ProcSubset"] == nil)
        #expect(unit["LimitCORE"] == ["0"])
        // I07: what isn't captured has no connections while it is down.
        #expect(unit["ExecStopPost"]?.first?.hasSuffix("/warrend guard") == true)
        #expect(unit["After"]?.first?.contains("warren-guard.service") == true)
    }
}
