// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// `warren get -w`: a list, then each change of it, until the user interrupts or the control plane can't be reached.
///
///     listing ──resourceVersion──► watching ──the server ends it──► watching on ──410──► listing
struct ResourceWatch {
    private let query: ResourceQuery
    private let format: ResourceFormat
    private let plane: ControlPlane
    private let session: Session

    /// Between two watches, so that a server that ends each at once isn't overrun.
    private static let rest = Interval.milliseconds(500)

    init(_ query: ResourceQuery, _ invocation: Invocation, _ plane: ControlPlane, _ session: Session) {
        self.query = query
        format = ResourceFormat(invocation)
        self.plane = plane
        self.session = session
    }

    func run() throws(ControlFailure) -> ExitCode {
        var (version, table) = try list()
        while true {
            var isTooOld = false
            try plane.watch(target(version), accept: accept) { event in
                let object = event["object"] ?? .null
                switch event["type"]?.stringValue {
                case "BOOKMARK": version = Self.version(object) ?? version
                case "ERROR":
                    isTooOld = true
                    return false
                default:
                    version = Self.version(object) ?? version
                    show(object, event["type"]?.stringValue ?? "", &table)
                }
                return true
            }
            guard session.pause(Self.rest) else { return .ok }
            if isTooOld { (version, table) = try list() }
        }
    }

    private var accept: String { format.isTable ? ServerTable.accept : "application/json" }

    /// The collection's path: one object is watched by its name.
    private var collection: String { query.resource.path(namespace: query.namespace) }
    private var filters: [String] { query.name.map { ["fieldSelector=metadata.name%3D\(queryValue($0))"] } ?? query.filters }

    private func target(_ version: String) -> String {
        let parameters = filters + ["watch=1", "allowWatchBookmarks=true", "resourceVersion=\(queryValue(version))"]
        return "\(collection)?\(parameters.joined(separator: "&"))"
    }

    /// Shows what is there and tells where to go on.
    private func list() throws(ControlFailure) -> (version: String, table: ServerTable) {
        let path = filters.isEmpty ? collection : "\(collection)?\(filters.joined(separator: "&"))"
        let document = try plane.get(path, accept: accept)
        let table = ServerTable(document)
        if format.isTable {
            session.console.print(text(table, hasHead: true))
        } else {
            for object in document["items"]?.sequenceValue ?? [] { print(object) }
        }
        return (document["metadata"]?["resourceVersion"]?.stringValue ?? "0", table)
    }

    private func show(_ object: Value, _ type: String, _ table: inout ServerTable) {
        guard format.isTable else { return print(object) }
        table = table.with(rowsOf: ServerTable(object))
        let lines = text(table, hasHead: false)
        session.console.print(type == "DELETED" ? lines.replacing("\n", with: "  (deleted)\n") : lines)
    }

    private func text(_ table: ServerTable, hasHead: Bool) -> String {
        table.text(session.console, isWide: format == .wide, hasNamespaces: query.spansNamespaces, hasHead: hasHead)
    }

    private func print(_ object: Value) {
        switch format {
        case .name: session.console.print(ResourceFormat.name(object, [query]) + "\n")
        case .yaml: session.console.print("---\n" + format.text(object))
        case .table, .wide, .json: session.console.print(format.text(object))
        }
    }

    /// A table's is that of its row's object.
    private static func version(_ object: Value) -> String? {
        let own = object["metadata"]?["resourceVersion"]?.stringValue
        let row = object["rows"]?.sequenceValue?.last?["object"]?["metadata"]?["resourceVersion"]?.stringValue
        return own.flatMap { $0.isEmpty ? nil : $0 } ?? row
    }
}
