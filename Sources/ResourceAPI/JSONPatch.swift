// SPDX-License-Identifier: Apache-2.0

package import Documents

/// JSON Patch (RFC 6902): operations in order, all of them or none. `kubectl patch --type json`.
package struct JSONPatch: Sendable {
    enum Operation: Sendable {
        case add(JSONPointer, Value)
        case remove(JSONPointer)
        case replace(JSONPointer, Value)
        case move(from: JSONPointer, to: JSONPointer)
        case copy(from: JSONPointer, to: JSONPointer)
        case test(JSONPointer, Value)
    }

    /// Each operation may cost a copy of a large list; people write a handful.
    static let maximumOperations = 1000
    /// What all copies of a patch may add: a document copied into itself doubles each time.
    static let maximumCopied = 100_000

    /// Operations by values in document and patch: each operation may walk through a large list. Half a second at worst.
    static let maximumWork = 5_000_000

    private let operations: [Operation]
    /// How many values the patch itself has.
    private let size: Int

    /// Reads a patch.
    /// - Throws: `BadRequest`, with the operation that is wrong.
    package init(_ document: Value) throws(APIStatus) {
        guard let list = document.sequenceValue else {
            throw APIStatus(.badRequest, "a JSON patch is a list of operations, this is \(document.kindName)")
        }
        guard list.count <= Self.maximumOperations else {
            throw APIStatus(.badRequest, "a JSON patch may have \(Self.maximumOperations) operations, this has \(list.count)")
        }
        var operations: [Operation] = []
        for (number, entry) in list.enumerated() { operations.append(try Self.operation(entry, number)) }
        self.operations = operations
        size = Self.size(document, limit: Self.maximumWork)
    }

    /// The target with all operations done.
    /// - Throws: `Invalid`, with the operation that can't be done; `RequestEntityTooLarge` if all together would take too long.
    package func apply(to target: Value) throws(APIStatus) -> Value {
        let work = operations.count * (size + Self.size(target, limit: Self.maximumWork))
        guard work <= Self.maximumWork else {
            throw APIStatus(
                .tooLarge,
                "\(operations.count) operations are too many for a document of this size: send several patches, or a merge patch")
        }
        var document = target
        var copied = 0
        for (number, operation) in operations.enumerated() {
            do throws(Misfit) {
                document = try Self.apply(operation, to: document, copied: &copied)
            } catch {
                throw APIStatus(.invalid, "operation \(number) of the JSON patch: \(error.reason)")
            }
        }
        // Copies nest: what is deeper than a reader takes couldn't be read back.
        guard Self.isWithin(depth: DocumentLimits().depth, document) else {
            throw APIStatus(.invalid, "the patched document would be deeper than \(DocumentLimits().depth) levels")
        }
        return document
    }

    /// Why an operation doesn't fit the document.
    private struct Misfit: Error { let reason: String }

    // MARK: - Reading

    private static func operation(_ entry: Value, _ number: Int) throws(APIStatus) -> Operation {
        func pointer(_ key: String) throws(APIStatus) -> JSONPointer {
            guard let text = entry[key]?.stringValue else { throw wrong(number, "it needs `\(key)`, a text") }
            guard let pointer = JSONPointer(text) else {
                throw wrong(number, "`\(key)` is no JSON pointer: it begins with `/`, and `~` is followed by 0 or 1")
            }
            return pointer
        }
        func value() throws(APIStatus) -> Value {
            guard let value = entry["value"] else { throw wrong(number, "it needs `value`") }
            return value
        }
        switch entry["op"]?.stringValue {
        case "add": return .add(try pointer("path"), try value())
        case "remove": return .remove(try pointer("path"))
        case "replace": return .replace(try pointer("path"), try value())
        case "move": return .move(from: try pointer("from"), to: try pointer("path"))
        case "copy": return .copy(from: try pointer("from"), to: try pointer("path"))
        case "test": return .test(try pointer("path"), try value())
        default: throw wrong(number, "`op` is add, remove, replace, move, copy or test")
        }
    }

    private static func wrong(_ number: Int, _ reason: String) -> APIStatus {
        APIStatus(.badRequest, "operation \(number) of the JSON patch: \(reason)")
    }

    // MARK: - Doing

    private static func apply(_ operation: Operation, to document: Value, copied: inout Int) throws(Misfit) -> Value {
        switch operation {
        case .add(let path, let value):
            return try edit(document, path, .add(value))
        case .remove(let path):
            return try edit(document, path, .remove)
        case .replace(let path, let value):
            return try edit(document, path, .replace(value))
        case .move(let from, let to):
            guard from == to || !to.isWithin(from) else { throw Misfit(reason: "\(from) can't be moved into itself") }
            let value = try find(document, from)
            return from == to ? document : try edit(edit(document, from, .remove), to, .add(value))
        case .copy(let from, let to):
            let value = try find(document, from)
            copied += size(value, limit: maximumCopied)
            guard copied <= maximumCopied else { throw Misfit(reason: "all copies of a patch may add \(maximumCopied) values") }
            return try edit(document, to, .add(value))
        case .test(let path, let value):
            guard try find(document, path) == value else { throw Misfit(reason: "the test of \(path) failed") }
            return document
        }
    }

    private static func find(_ document: Value, _ path: JSONPointer) throws(Misfit) -> Value {
        var found = document
        for token in path.tokens {
            guard let next = child(found, token) else { throw Misfit(reason: "there is no \(path)") }
            found = next
        }
        return found
    }

    private static func child(_ value: Value, _ token: String) -> Value? {
        if let list = value.sequenceValue { return JSONPointer.index(token, count: list.count).map { list[$0] } }
        return value[token]
    }

    /// How many values there are in one, counted up to a limit.
    private static func size(_ value: Value, limit: Int) -> Int {
        var (count, rest) = (0, [value])
        while let next = rest.popLast(), count <= limit {
            count += 1
            switch next.content {
            case .sequence(let values): rest += values
            case .mapping(let entries): rest += entries.map(\.value)
            case .null, .bool, .integer, .number, .string: break
            }
        }
        return count
    }

    private static func isWithin(depth: Int, _ document: Value) -> Bool {
        var rest = [(document, 1)]
        while let (value, level) = rest.popLast() {
            switch value.content {
            case .sequence(let values):
                if level > depth { return false }
                rest += values.map { ($0, level + 1) }
            case .mapping(let entries):
                if level > depth { return false }
                rest += entries.map { ($0.value, level + 1) }
            case .null, .bool, .integer, .number, .string: break
            }
        }
        return true
    }

    private enum Edit {
        case add(Value)
        case remove
        case replace(Value)
    }

    private static func edit(_ document: Value, _ path: JSONPointer, _ edit: Edit) throws(Misfit) -> Value {
        try Self.edit(document, path, at: 0, edit)
    }

    private static func edit(_ value: Value, _ path: JSONPointer, at depth: Int, _ edit: Edit) throws(Misfit) -> Value {
        guard depth < path.tokens.count else {
            switch edit {
            case .add(let new), .replace(let new): return new
            case .remove: throw Misfit(reason: "the whole document can't be removed")
            }
        }
        let token = path.tokens[depth]
        let isLast = depth == path.tokens.count - 1
        guard isLast else {
            guard let inner = child(value, token) else {
                throw Misfit(reason: "there is no \(path): nothing stands at `\(token)`")
            }
            return with(value, token, try Self.edit(inner, path, at: depth + 1, edit))
        }
        if let list = value.sequenceValue { return try Self.edit(list, token, path, edit) }
        guard value.mappingValue != nil else { throw Misfit(reason: "\(path) lies in \(value.kindName)") }
        var entries = EntryList(value)
        switch edit {
        case .add(let new): entries.set(token, new)
        case .replace(let new):
            guard entries[token] != nil else { throw Misfit(reason: "there is no \(path) to be replaced") }
            entries.set(token, new)
        case .remove:
            guard entries.remove(token) else { throw Misfit(reason: "there is no \(path) to be removed") }
        }
        return entries.value
    }

    private static func edit(_ list: [Value], _ token: String, _ path: JSONPointer, _ edit: Edit) throws(Misfit) -> Value {
        var list = list
        switch edit {
        case .add(let new):
            // `-` is the place behind the last, which an addition alone may name.
            let place = token == "-" ? list.count : JSONPointer.index(token, count: list.count + 1)
            guard let place else { throw Misfit(reason: "\(path) is no place in a list of \(list.count)") }
            list.insert(new, at: place)
        case .replace(let new):
            guard let place = JSONPointer.index(token, count: list.count) else {
                throw Misfit(reason: "there is no \(path) to be replaced")
            }
            list[place] = new
        case .remove:
            guard let place = JSONPointer.index(token, count: list.count) else {
                throw Misfit(reason: "there is no \(path) to be removed")
            }
            list.remove(at: place)
        }
        return .array(list)
    }

    /// The container with another value at a place that is there.
    private static func with(_ container: Value, _ token: String, _ value: Value) -> Value {
        if var list = container.sequenceValue {
            if let place = JSONPointer.index(token, count: list.count) { list[place] = value }
            return Value(.sequence(list), at: container.position)
        }
        var entries = EntryList(container)
        entries.set(token, value)
        return entries.value
    }
}
