// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren nodes`: the hosts of the mesh as the control plane sees them, and turning one out.
enum NodesCommand {
    static let commands = [
        Command(
            "nodes", "Show the hosts of the mesh: version, since when connected, whether up to date, certificate.",
            operands: "[NAME …]",
            options: [OutputFormat.option] + ContextChoice.options,
            examples: [
                ("warren nodes", "All hosts."), ("warren nodes host-a -o json", "One, for a program, with its workloads."),
            ], run: list),
        Command(
            "nodes evict", "Turn hosts out: neither they nor their certificates are accepted any more.",
            detail:
                "A host that is evicted is refused by the control plane and gets no certificates. The others cut the tunnels of its workloads within"
                + " seconds and make none to it. `warren nodes readmit` lets it in again.",
            operands: "NAME …", options: [OutputFormat.option] + ContextChoice.options,
            examples: [("warren nodes evict host-a", "A host that was stolen.")], run: { setEvicted(true, $0, $1) }),
        Command(
            "nodes readmit", "Let hosts in again that were evicted. They join anew with a token.", operands: "NAME …",
            options: [OutputFormat.option] + ContextChoice.options,
            examples: [("warren nodes readmit host-a", "Then: warren token create --node host-a.")],
            run: { setEvicted(false, $0, $1) }),
    ]

    private static func resource(_ plane: ControlPlane) throws(ControlFailure) -> APIResource {
        try plane.resource(called: "nodes.warren.dev")
    }

    @Sendable private static func list(_ invocation: Invocation, _ session: Session) -> ExitCode {
        ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let resource = try resource(plane)
            var nodes: [Value] = []
            var newest: Int64?
            if invocation.operands.isEmpty {
                let list = try plane.get(resource.path(namespace: nil))
                nodes = list["items"]?.sequenceValue ?? []
                newest = nodes.compactMap(revision).max()
            }
            for name in invocation.operands { nodes.append(try plane.get(resource.path(namespace: nil, name: name))) }
            if let text = OutputFormat(invocation).text(.array(nodes)) {
                session.console.print(text.withoutDirectionMarks)
                return .ok
            }
            var table = Table([
                .init("NAME"), .init("STATE", colour: colour), .init("VERSION"), .init("CONNECTED FOR"),
                .init("MESH", colour: colour),
                .init("WORKLOADS"), .init("CERTIFICATE", colour: colour),
            ])
            for node in nodes { table.add(row(node, newest: newest, session.now())) }
            table.sort()
            session.console.print(table.text(session.console))
            return .ok
        }
    }

    private static func row(_ node: Value, newest: Int64?, _ now: WallTime) -> [String?] {
        let status = node["status"] ?? .null
        let since = status.cell("connectedSince").flatMap { Timestamp($0) }
        return [
            node["metadata"]?.cell("name"), state(node, isConnected: since != nil), status.cell("version"),
            since.map { HumanText.age(Double(now.seconds - $0.seconds)) }, mesh(node, newest: newest), workloads(status),
            certificate(status, now),
        ]
    }

    private static func state(_ node: Value, isConnected: Bool) -> String {
        if node["spec"]?["evicted"]?.boolValue == true { return "evicted" }
        return isConnected ? "connected" : "away"
    }

    /// Whether it has the newest state, and how far behind it is.
    private static func mesh(_ node: Value, newest: Int64?) -> String? {
        guard let isSynced = node["status"]?["synced"]?.boolValue else { return nil }
        if isSynced { return "synced" }
        guard let own = revision(node), let newest, newest > own else { return "behind" }
        return "behind by \(HumanText.count(Int(clamping: newest - own), "change"))"
    }

    /// The store's revision that a host has taken over: `IDENTITY/REVISION`, or the number alone.
    private static func revision(_ node: Value) -> Int64? {
        guard let text = node["status"]?.cell("revision"), let last = text.split(separator: "/").last else { return nil }
        return Int64(last)
    }

    private static func workloads(_ status: Value) -> String? {
        guard let workloads = status["workloads"]?.sequenceValue, !workloads.isEmpty else { return nil }
        let captured = workloads.count { $0["state"]?.stringValue == "captured" }
        return captured == workloads.count ? "\(captured) captured" : "\(captured) of \(workloads.count) captured"
    }

    private static func certificate(_ status: Value, _ now: WallTime) -> String? {
        guard let text = status["certificate"]?.cell("notAfter") else { return nil }
        guard let end = Timestamp(text) else { return text }
        return end.seconds <= now.seconds ? "expired" : "for \(HumanText.age(Double(end.seconds - now.seconds)))"
    }

    @Sendable private static func colour(_ cell: String) -> Colour? {
        switch cell.prefix(6) {
        case "connec", "synced": .good
        case "evicte", "expire": .bad
        case "away", "behind": .doubtful
        default: nil
        }
    }

    private static func setEvicted(_ isEvicted: Bool, _ invocation: Invocation, _ session: Session) -> ExitCode {
        guard !invocation.operands.isEmpty else { return session.usage("\(invocation.command.name) needs the name of a host") }
        return ControlPlane.run(invocation, session) { plane throws(ControlFailure) in
            let resource = try resource(plane)
            var results: [Value] = []
            for name in invocation.operands {
                _ = try plane.send(
                    .patch, "\(resource.path(namespace: nil, name: name))?fieldManager=warren",
                    ["spec": ["evicted": .bool(isEvicted)]],
                    contentType: "application/merge-patch+json")
                let word = isEvicted ? "evicted" : "readmitted"
                results.append(["object": .string("node/\(name)"), "result": .string(word)])
                if OutputFormat(invocation) == .table { session.console.print("node \(printable(name)) \(word)\n") }
            }
            if let text = OutputFormat(invocation).text(.array(results)) { session.console.print(text.withoutDirectionMarks) }
            return .ok
        }
    }
}
