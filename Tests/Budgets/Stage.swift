// SPDX-License-Identifier: Apache-2.0

import Support

/// Something that was counted, per unit of work.
struct Measure {
    let metric: String
    /// Nil: it can't be counted here.
    let value: Double?
}

/// Two hosts with the release programs as they are shipped, watched by meters, and applications that aren't ours.
///
///     host1: client, neighbour ═══ tunnels ═══ host2: server
final class Stage {
    let mesh: MeshLab
    let client: LabWorkload
    let server: LabWorkload
    let neighbour: LabWorkload
    /// Of the client's host and of the server's.
    let meters: [Meter]
    private var applications: [LabProcess] = []

    static let web = 8080
    static let bulk = 5201
    static let echo = 8081

    init(folder: String) throws {
        let shim = "\(folder)/allocations.so"
        let source = #filePath.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/allocations.c"
        let compiled = try RunningCommand.run(["clang", "-shared", "-fPIC", "-O2", "-o", shim, source])
        guard compiled.succeeded else { throw LabFailure(description: "clang, which comes with Swift: \(compiled)") }

        // As shipped: the log is text.
        mesh = try MeshLab(hosts: 2) { $0["log.format"] = nil }
        client = try mesh.add("client", on: 0)
        neighbour = try mesh.add("neighbour", on: 0)
        server = try mesh.add("server", on: 1)
        for number in 0..<10 {
            let account = number == 9 ? "client" : "other-\(number)"
            mesh.mesh.policy(
                "p\(number)",
                "{action: ALLOW, rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/\(account)]}}]}]}")
        }
        for node in mesh.nodes { Meter.prepare(node, shim: shim) }
        try mesh.start()
        let tracepoint = Self.tracepoint(mesh.lab.outside)
        meters = try mesh.nodes.map { try Meter($0, tracepoint: tracepoint) }
        for place in [server, neighbour] {
            applications.append(try place.startNginx(port: Self.web, body: "ok", log: "off"))
            let bulk = try place.start(["iperf3", "-s", "-p", "\(Self.bulk)"])
            try waitUntil("iperf3 listens") { try !place.sockets("-lt", "sport", "=", ":\(Self.bulk)").isEmpty }
            applications.append(bulk)
            applications.append(try place.serve("echo", port: Self.echo))
        }
    }

    /// The kernel's number for "a system call begins", asked in the lab's own mounts; nil if this kernel or container hides it.
    private static func tracepoint(_ place: LabOutside) -> UInt64? {
        let text = try? place.sh(
            "mkdir -p /run/tracing; mount -t tracefs tracefs /run/tracing; cat /run/tracing/events/raw_syscalls/sys_enter/id")
        return text.flatMap { UInt64($0.split(separator: "\n").first ?? "") }
    }

    func read() throws -> [Counts] { try meters.map { try $0.read() } }

    /// Does the work with few units and with many, and says what each further unit cost either daemon: what comes once per run cancels out.
    func cost(_ name: String, few: Int, many: Int, hasLog: Bool = false, work: (Int) throws -> Void) throws -> [Measure] {
        // The first run warms up.
        try work(few)
        var readings = [try settled()]
        for count in [few, many] {
            try work(count)
            readings.append(try settled())
        }
        let units = Double(many - few)
        return zip(["client", "server"], 0...).flatMap { side, index -> [Measure] in
            let first = readings[1][index] - readings[0][index]
            let cost = readings[2][index] - readings[1][index] - first
            let logged = hasLog ? [Measure(metric: "\(name).\(side).logAllocations", value: cost.logAllocations / units)] : []
            return [
                Measure(metric: "\(name).\(side).allocations", value: cost.allocations / units),
                Measure(metric: "\(name).\(side).systemCalls", value: cost.systemCalls.map { $0 / units }),
            ] + logged
        }
    }

    /// Counts after connections had the time to end.
    private func settled() throws -> [Counts] {
        _ = try mesh.lab.outside.run(["sleep", "0.2"])
        return try read()
    }
}
