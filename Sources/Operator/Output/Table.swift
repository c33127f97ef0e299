// SPDX-License-Identifier: Apache-2.0

/// A table for people: columns as wide as their widest cell, two spaces apart, nothing behind the last one. A value; printing is
/// pure.
struct Table {
    struct Column {
        let title: String
        let isNumber: Bool
        /// How a cell is painted.
        let colour: @Sendable (String) -> Colour?

        init(_ title: String, isNumber: Bool = false, colour: @escaping @Sendable (String) -> Colour? = { _ in nil }) {
            self.title = title
            self.isNumber = isNumber
            self.colour = colour
        }
    }

    let columns: [Column]
    private(set) var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Adds a row; what is empty or nil is `-`, what is missing too.
    mutating func add(_ cells: [String?]) {
        rows.append(
            columns.indices.map { index in
                let text = index < cells.count ? cells[index] ?? "" : ""
                return text.isEmpty ? "-" : printable(text, limit: 300)
            })
    }

    /// Sorts by cells from the left, numbers in text by their value: `web-2` before `web-10`.
    mutating func sort() { rows.sort { $0.lexicographicallyPrecedes($1, by: Self.precedes) } }

    func text(_ console: Console) -> String {
        let widths = columns.indices.map { index in max(columns[index].title.count, rows.map { $0[index].count }.max() ?? 0) }
        let titles = columns.map(\.title)
        let lines = [line(titles, widths) { console.paint($1, .heading) }]
        return (lines + rows.map { row in line(row, widths) { index, cell in paint(cell, index, console) } }).joined()
    }

    private func line(_ cells: [String], _ widths: [Int], paint: (Int, String) -> String) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            let space = String(repeating: " ", count: widths[index] - cell.count)
            let isLast = index == cells.count - 1
            text += columns[index].isNumber ? space + paint(index, cell) : paint(index, cell) + (isLast ? "" : space)
            if !isLast { text += "  " }
        }
        return text + "\n"
    }

    private func paint(_ cell: String, _ index: Int, _ console: Console) -> String {
        columns[index].colour(cell).map { console.paint(cell, $0) } ?? cell
    }

    /// Runs of digits compare as numbers; what differs only in leading zeros, byte by byte.
    static func precedes(_ a: String, _ b: String) -> Bool {
        var (x, y) = (Array(a.utf8)[...], Array(b.utf8)[...])
        while let first = x.first, let second = y.first {
            let (left, right) = (x.prefix(while: isDigit), y.prefix(while: isDigit))
            if !left.isEmpty && !right.isEmpty {
                let (m, n) = (left.drop { $0 == 0x30 }, right.drop { $0 == 0x30 })
                if m.count != n.count { return m.count < n.count }
                if !m.elementsEqual(n) { return m.lexicographicallyPrecedes(n) }
                (x, y) = (x.dropFirst(left.count), y.dropFirst(right.count))
            } else if first != second {
                return first < second
            } else {
                (x, y) = (x.dropFirst(), y.dropFirst())
            }
        }
        if x.isEmpty && y.isEmpty { return a.utf8.lexicographicallyPrecedes(b.utf8) }
        return x.isEmpty
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
