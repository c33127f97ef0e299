// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// A daemon that dies of a fault: what it tells, what stays, and that it is soon back.
    @Suite struct Crashes {
        private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

        /// How the daemon comes to grief.
        enum Fault: String, CaseIterable, CustomStringConvertible {
            case signal = "a signal"
            case trap = "an instruction that traps, in the function that relays"
            case memory = "memory that it isn't given"
            var description: String { rawValue }
        }

        @Test(arguments: Fault.allCases)
        func `I07 a fault under traffic is told with version, thread and functions, capture stays, and a restart serves`(
            fault: Fault
        ) throws {
            let mesh = try MeshLab(hosts: 2)
            let client = try mesh.add("client", on: 0)
            let server = try mesh.add("server", on: 1)
            try mesh.start()
            let node = mesh.nodes[0]
            let echo = try server.serve("echo", port: 8080)
            let steady = try client.startClient("steady", server.address, port: 8080, "--count", "2", "--pause", "0.02")
            let before = try client.networkState()
            let wire = try mesh.lab.capture()
            usleep(300_000)

            var crowd: LabProcess?
            switch fault {
            case .signal: break
            case .trap: try Self.plantTrap("6Tunnel11StreamRelayC5readyyy6Kernel9ReadinessVF", in: node)
            case .memory:
                try Self.giveNoMemory(to: node)
                crowd = try client.startClient("hold", server.address, port: 8080, "--count", "3000", "--seconds", "1")
            }
            if fault != .signal { #expect(node.daemon?.wait(seconds: 20) != nil, "it lives on") }
            let status = node.stop(SIGSEGV)
            // The runtime ends a program that gets no memory by either.
            let signals = fault == .signal ? [SIGSEGV] : fault == .trap ? [Self.trap.signal] : [Self.trap.signal, SIGABRT]
            #expect(signals.contains { status == 128 + Int($0) }, "\(node.log.suffix(2000))")
            crowd?.stop(SIGKILL)
            #expect(try client.networkState() == before, "capture stays")
            #expect(try !client.call("echo", server.address, port: 8080).echoed, "nothing gets past the dead daemon")
            let down = Moment.now()
            try node.start()
            try waitUntil("it serves again", seconds: 1) { try client.call("echo", server.address, port: 8080).echoed }
            #expect(Moment.now() - down < 10, "within a second, if the machine isn't busy")
            #expect(try steady.result().int("requests") > 5)
            #expect(try wire.finish().allSatisfy { $0.payload.isEmpty || [$0.sourcePort, $0.destinationPort].contains(15008) })
            #expect(echo.isRunning)

            try Self.checkReport(node, fault)
        }

        /// The report names the program, its version and build, the signal and the thread, and symbolize.sh finds our functions.
        private static func checkReport(_ node: LabNode, _ fault: Fault) throws {
            let program = try Programs.path("warrend")
            let version = try RunningCommand.run([program, "--version"]).out.split(separator: "\n").first ?? "?"
            let build = try RunningCommand.run(["readelf", "-n", program]).out.firstMatch(of: /Build ID: ([0-9a-f]+)/)?.output.1
            let lines = node.log.split(separator: "\n").filter { $0.contains("crash: ") }
            let head = try #require(lines.first { $0.contains("build-id") }, "\(node.log.suffix(2000))")
            #expect(head.hasPrefix("warrend: crash: \(version), ") && head.hasSuffix("build-id \(build ?? "?")"), "\(head)")
            switch fault {
            case .signal: #expect(head.contains("SIGSEGV sent by process "), "\(head)")
            case .memory: #expect(head.contains(#/, SIG(ILL|TRAP|ABRT) .*, thread /#), "\(head)")
            case .trap:
                #expect(head.contains(trap.name) && head.contains(/at 0x[0-9a-f]+, thread loop-[0-9],/), "\(head)")
            }
            let named = try RunningCommand.run(["\(root)/deploy/symbolize.sh", program], input: node.log)
            #expect(named.succeeded, "\(named)")
            let functions = named.out.split(separator: "\n").filter { $0.contains(" at Sources/") }
            // Memory may be out on any thread.
            let expected = fault == .memory ? " at Sources/" : "Loop.turn(wait:) at Sources/Loop/Loop.swift:"
            #expect(functions.contains { $0.contains(expected) }, "\(functions)")
            if fault == .trap {
                #expect(
                    functions.first?.contains("StreamRelay.ready(_:) at Sources/Tunnel/StreamRelay.swift:") == true,
                    "\(functions)")
            }
        }

        @Test func `a log of another build isn't explained wrongly`() throws {
            let program = try Programs.path("warrend")
            let log =
                "warrend: crash: warrend 0.0.0, SIGSEGV at 0x0, thread loop-0, build-id 00ff\nwarrend: crash: #0 warrend+0x1000\n"
            let other = try RunningCommand.run(["\(Self.root)/deploy/symbolize.sh", program], input: log)
            #expect(other.status == 1 && other.err.contains("the report is of build 00ff"), "\(other)")
            let none = try RunningCommand.run(["\(Self.root)/deploy/symbolize.sh", program], input: "all is well\n")
            #expect(none.status == 1 && none.err.contains("no crash report"), "\(none)")
        }

        /// What this processor does on the instruction that Swift ends on.
        private static let trap: (bytes: [UInt8], signal: CInt, name: String) = {
            #if arch(arm64)
                ([0x20, 0x00, 0x20, 0xd4], SIGTRAP, "SIGTRAP")
            #else
                ([0x0f, 0x0b], SIGILL, "SIGILL")
            #endif
        }()

        /// From now on the daemon's address space doesn't grow.
        private static func giveNoMemory(to node: LabNode) throws {
            let pid = try #require(node.daemon?.pid)
            let size = try #require(try Files.text("/proc/\(pid)/status").firstMatch(of: /VmSize:\s+([0-9]+) kB/)?.output.1)
            let limited = try RunningCommand.run(["prlimit", "--pid", "\(pid)", "--as=\((Int(size) ?? 0) * 1024)"])
            #expect(limited.succeeded, "\(limited)")
        }

        /// Overwrites the beginning of a function of the running daemon, as a debugger would.
        private static func plantTrap(_ symbol: String, in node: LabNode) throws {
            let program = try Programs.path("warrend")
            let pid = try #require(node.daemon?.pid)
            let symbols = try RunningCommand.run(["nm", "\(program).debug"]).out
            let line = try #require(symbols.split(separator: "\n").first { $0.hasSuffix(" $s\(symbol)") }, "no \(symbol)")
            let offset = try #require(UInt64(line.prefix(16), radix: 16))
            let maps = try Files.text("/proc/\(pid)/maps")
            let first = try #require(maps.split(separator: "\n").first { $0.hasSuffix("/warrend") }, "\(maps)")
            let base = try #require(UInt64(first.prefix { $0 != "-" }, radix: 16))
            let memory = unsafe open("/proc/\(pid)/mem", O_RDWR | O_CLOEXEC)
            #expect(memory >= 0)
            defer { close(memory) }
            let written = unsafe pwrite(memory, trap.bytes, trap.bytes.count, Int(base + offset))
            #expect(written == trap.bytes.count, "the daemon's memory can't be written: errno \(errno)")
        }
    }
}
