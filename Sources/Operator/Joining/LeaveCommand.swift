// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Kernel
internal import TLS

/// `warren leave`: undoes `warren join`.
enum LeaveCommand {
    static let command = Command(
        "leave", "Take this host out of its mesh: undo `warren join`.",
        detail:
            "Stops warrend, has it release what it captured, removes this host's key, certificate and mesh, "
            + "and takes the control plane out of the configuration; other"
            + " settings stay. The control plane is told; where it can't be, or doesn't let a host remove itself, an admin removes the host:"
            + " warren delete node NAME.",
        options: [
            CommandOption("config", value: "PATH", "The daemon's configuration; /etc/warren/warrend.yaml without a word."),
            OutputFormat.option,
        ], examples: [("sudo warren leave", "Afterwards this host's workloads are captured no longer.")], run: run)

    @Sendable private static func run(_ invocation: Invocation, _ session: Session) -> ExitCode {
        var places = session.places
        places.configuration = invocation.value("config") ?? places.configuration
        do throws(ControlFailure) {
            let result = try leave(&places, session)
            session.console.print(OutputFormat(invocation).text(result) ?? text(result))
            return .ok
        } catch {
            return session.failed(error)
        }
    }

    private static func leave(_ places: inout HostPlaces, _ session: Session) throws(ControlFailure) -> Value {
        let bytes = try HostFiles.read(places.configuration) ?? []
        var edit: ConfigurationEdit
        do throws(ConfigurationEdit.Failure) {
            edit = try ConfigurationEdit(bytes)
        } catch {
            throw ControlFailure("\(places.configuration):\(error.line): \(error.message)", remedy: "Mend it first.")
        }
        let control = edit.document["control"]
        guard control?["istiod"]?["token"] == nil else {
            throw ControlFailure(
                "this host is no member of a mesh of warren-control, but a client of istiod",
                remedy: "Remove `control` from \(places.configuration), restart warrend, and delete the token.")
        }
        places.directory = control?["directory"]?.stringValue ?? places.directory
        guard control != nil || HostPlaces.isThere(places.certificate) else {
            throw ControlFailure("this host is no member of a mesh", remedy: "`warren join` makes it one.")
        }
        let addresses = (control?["addresses"]?.sequenceValue ?? []).compactMap(\.stringValue)
        let told = tell(addresses, places, session)
        let node = edit.document["node"]
        let isStopped = places.hasUnit ? HostService(session: session).stop() : nil
        if isStopped == false {
            throw ControlFailure(
                "warrend couldn't be stopped, and nothing was removed", remedy: "Look at: systemctl status warrend.")
        }
        // Capture outlives the daemon: without this the host's workloads would have no TCP.
        let isReleased =
            isStopped == true ? session.execute("warrend", ["cleanup", "--config", places.configuration]) == .exited(0) : false
        try restore(&edit, bytes, places)
        try clear(places)
        return .object(present: [
            ("node", node), ("told", .bool(told == nil)), ("why", told.map { .string($0.message) }),
            ("stopped", .bool(isStopped == true)), ("released", .bool(isReleased)),
            ("removed", .string(places.directory)),
        ])
    }

    private static func text(_ result: Value) -> String {
        var text =
            "This host has left its mesh; its key and certificate are gone from \(printable(result.cell("removed") ?? "")).\n"
        if result["told"]?.boolValue != true {
            text +=
                "The control plane still lists it (\(printable(result.cell("why") ?? ""))): an admin runs `warren delete node "
                + "\(printable(result.cell("node") ?? "NAME"))`.\n"
        }
        if result["stopped"]?.boolValue != true { text += "Stop warrend now, if it runs: it isn't a service of systemd here.\n" }
        if result["released"]?.boolValue != true {
            text += "Then run `warrend cleanup`: captured workloads have no TCP until then.\n"
        }
        return text
    }

    /// Has the control plane forget this host; why it didn't.
    private static func tell(_ addresses: [String], _ places: HostPlaces, _ session: Session) -> ControlFailure? {
        var last = ControlFailure("no control plane is configured")
        for address in addresses.prefix(16) {
            guard let place = ControlEndpoint.address(address) else { continue }
            do throws(ControlFailure) {
                let (endpoint, name) = try endpoint(place, places)
                let request = ControlRequest(.delete, "/apis/warren.dev/v1/nodes/\(pathSegment(name))")
                let answer = try session.connect(endpoint).send(request)
                // One that was deleted already isn't there any more, and one that was refused won't be heard elsewhere.
                if (200...299).contains(answer.status) || answer.status == 404 { return nil }
                return ControlFailure(answer, to: request)
            } catch {
                last = error
            }
        }
        return last
    }

    private static func endpoint(
        _ place: ControlEndpoint.Place, _ places: HostPlaces
    ) throws(ControlFailure) -> (ControlEndpoint, name: String) {
        guard let key = try HostFiles.read(places.key), let chain = try HostFiles.read(places.certificate),
            let roots = try HostFiles.read(places.roots), let leaf = try? Certificate.chain(pem: chain).first,
            case .node(let identity) = leaf.certifiedName
        else { throw ControlFailure("this host's certificate is missing or damaged") }
        var endpoint = ControlEndpoint(place)
        endpoint.trust = .identity(roots: roots, uri: "spiffe://\(identity.trustDomain)/ns/warren-system/sa/warren-control")
        (endpoint.certificate, endpoint.key) = (chain, key)
        return (endpoint, identity.name)
    }

    /// The configuration as it was before joining, if nobody touched it since; else without the control plane.
    private static func restore(_ edit: inout ConfigurationEdit, _ bytes: [UInt8], _ places: HostPlaces) throws(ControlFailure) {
        let files = HostFiles()
        let mode = (try? File.status(places.configuration))?.mode ?? 0o644
        if try HostFiles.read(places.configurationAfter) == bytes {
            guard let before = try HostFiles.read(places.configurationBefore) else {
                return try files.remove(places.configuration)
            }
            return try files.replace(places.configuration, with: before, mode: mode)
        }
        guard edit.document["control"] != nil else { return }
        edit.set("control", nil)
        try files.replace(places.configuration, with: Array(edit.text.utf8), mode: mode)
    }

    /// Only what is known to be of the mesh: a configuration may name any directory.
    private static func clear(_ places: HostPlaces) throws(ControlFailure) {
        for path in [
            places.key, places.certificate, places.roots, places.lastMesh, "\(places.lastMesh).new", places.configurationBefore,
            places.configurationAfter,
        ] { try HostFiles.discard(path) }
    }
}
