// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// A list as the server lays it out for people (meta/v1 `Table`): which columns there are is the server's to know.
struct ServerTable {
    struct Column {
        let title: String
        let isNumber: Bool
        /// Whether it is shown without `-o wide`.
        let isBasic: Bool
    }

    private(set) var columns: [Column] = []
    private(set) var rows: [Value] = []

    static let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    /// A table with more is none for people.
    private static let maximumColumns = 64

    /// From a `Table`; what a server that knows no tables sends, a list or an object, has names alone.
    init(_ document: Value) {
        guard document["kind"]?.stringValue == "Table" else {
            columns = [Column(title: "NAME", isNumber: false, isBasic: true)]
            rows = (document["items"]?.sequenceValue ?? [document]).map { object in
                ["cells": [.string(object["metadata"]?["name"]?.stringValue ?? "")], "object": object]
            }
            return
        }
        columns = (document["columnDefinitions"]?.sequenceValue ?? []).prefix(Self.maximumColumns).map { column in
            Column(
                title: printable(column["name"]?.stringValue?.uppercased() ?? "-", limit: 80),
                isNumber: ["integer", "number"].contains(column["type"]?.stringValue),
                isBasic: (column["priority"]?.integerValue ?? 0) == 0)
        }
        rows = document["rows"]?.sequenceValue ?? []
    }

    var isEmpty: Bool { rows.isEmpty }

    /// The same columns with another table's rows: events of a watch needn't repeat the columns.
    func with(rowsOf other: ServerTable) -> ServerTable {
        var table = other.columns.isEmpty ? self : other
        table.rows = other.rows
        return table
    }

    /// The lines of the table.
    func text(_ console: Console, isWide: Bool, hasNamespaces: Bool, hasHead: Bool = true, kind: APIResource? = nil) -> String {
        let shown = columns.indices.filter { isWide || columns[$0].isBasic }
        var table = Table(
            (hasNamespaces ? [.init("NAMESPACE")] : [])
                + shown.map { Table.Column(columns[$0].title, isNumber: columns[$0].isNumber, colour: Self.colour) })
        for row in rows {
            let cells = row["cells"]?.sequenceValue ?? []
            var texts = shown.map { $0 < cells.count ? Self.text(cells[$0]) : nil }
            if let kind, let name = texts.first ?? nil { texts[0] = "\(kind.label)/\(name)" }
            table.add((hasNamespaces ? [row["object"]?["metadata"]?["namespace"]?.stringValue] : []) + texts)
        }
        let text = table.text(console)
        return hasHead ? text : String(text.drop { $0 != "\n" }.dropFirst())
    }

    private static func text(_ cell: Value) -> String? {
        switch cell.content {
        case .null: nil
        case .string(let text): text
        case .bool(let value): String(value)
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .sequence, .mapping: cell.json
        }
    }

    @Sendable private static func colour(_ cell: String) -> Colour? {
        switch cell {
        case "False", "NotReady", "Evicted", "Terminating": .bad
        case "True", "Ready", "Active", "Programmed": .good
        default: nil
        }
    }
}

extension String {
    /// A document's text for a terminal: what remains of marks that turn the direction of writing after the writers' own escaping.
    var withoutDirectionMarks: String {
        guard !utf8.allSatisfy({ $0 < 0x80 }) else { return self }
        var scalars = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            switch scalar.value {
            // The writers put what isn't plain ASCII into double quotes, where this means the same.
            case 0x200b...0x200f, 0x202a...0x202e, 0x2066...0x2069:
                scalars.append(contentsOf: "\\u\(String(scalar.value, radix: 16))".unicodeScalars)
            default: scalars.append(scalar)
            }
        }
        return String(scalars)
    }
}
