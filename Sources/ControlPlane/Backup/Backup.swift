// SPDX-License-Identifier: Apache-2.0

internal import Documents
package import Store
internal import TLS
internal import Wire

/// All that a control plane keeps, as a file: of any store, put back into any store. Tokens aren't in it (I22), and the authority's keys only sealed.
/// A value; pure.
///
///     warren-backup 1 SHA-256-OF-THE-REST\n
///     {"identity": …, "revision": …, "created": …, "objects": N, "authority": BASE64 or nothing}\n
///     {"resource": …, "namespace": …, "name": …, "bytes": LENGTH}\n TEXT \n       × N
package struct Backup: Sendable {
    package static let version = 1
    /// What is read of a file at most: twenty times the largest mesh that is planned for.
    package static let limit = 1 << 30
    private static let word = "warren-backup"
    private static let lineLimit = 2 << 20

    /// Of the store.
    package let identity: String
    package let revision: UInt64
    /// Unix seconds.
    package let created: Int64
    package let trustDomain: String
    /// Names of files and what is in them, sealed; nil if the keys aren't in it.
    package let authority: [UInt8]?
    package let objects: [StoredObject]

    /// What a sealed authority is bound to.
    package static func context(identity: String) -> [UInt8] { Array("warren-backup \(version) \(identity)".utf8) }

    package init(
        identity: String, list: StoredList, created: Int64, trustDomain: String, authority: [UInt8]? = nil
    ) {
        self.identity = identity
        revision = list.revision
        self.created = created
        self.trustDomain = trustDomain
        self.authority = authority
        objects = list.objects.filter { $0.key.resource != TokenRecord.resource }
    }

    /// Above every revision that the store can have given out since: no store commits a million times in a second.
    package func revisionAfterRestoring(now: Int64) -> UInt64 {
        // Bounded, so that it stays a number of SQLite's whatever the dates say.
        let seconds = UInt64(min(max(0, now - created), 1_000_000_000)) + 3600
        return min(revision, 1 << 61) + seconds * 1_000_000
    }

    // MARK: - Text

    package var text: [UInt8] {
        let head = Value.object(present: [
            ("identity", .string(identity)), ("revision", .integer(Int64(clamping: revision))), ("created", .integer(created)),
            ("trustDomain", .string(trustDomain)), ("objects", .integer(objects.count)),
            ("authority", authority.map { .string(Base64.encode($0)) }),
        ])
        var body = head.jsonBytes
        body.append(0x0a)
        body.reserveCapacity(objects.reduce(body.count) { $0 + $1.value.count + 160 })
        for object in objects {
            let key = object.key
            body +=
                Value.object([
                    ("resource", .string(key.resource)), ("namespace", .string(key.namespace)), ("name", .string(key.name)),
                    ("bytes", .integer(object.value.count)),
                ]).jsonBytes
            body.append(0x0a)
            body += object.value
            body.append(0x0a)
        }
        return Array("\(Self.word) \(Self.version) \(SHA256.hex(body))\n".utf8) + body
    }

    /// Why a file is no backup that can be used: a sentence.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
        init(_ description: String) { self.description = description }
    }

    package init(_ text: [UInt8]) throws(Failure) {
        var rest = text[...]
        let first = String(decoding: try Self.line(&rest), as: UTF8.self).split(separator: " ")
        guard first.count == 3, first[0] == Self.word else { throw Failure("it is no backup of a control plane") }
        guard first[1] == "\(Self.version)" else {
            throw Failure("it is of version \(first[1].prefix(20)): take the program that made it")
        }
        guard SHA256.hex(Array(rest)) == first[2] else { throw Failure("it is damaged or cut short: its checksum doesn't fit") }
        let head = try Self.document(&rest)
        guard let identity = head["identity"]?.stringValue, !identity.isEmpty,
            let revision = head["revision"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
            let created = head["created"]?.integerValue, let trustDomain = head["trustDomain"]?.stringValue,
            let count = head["objects"]?.integerValue.flatMap({ Int(exactly: $0) }), count >= 0
        else { throw Failure("its head lacks what belongs there") }
        var objects: [StoredObject] = []
        while !rest.isEmpty {
            let place = try Self.document(&rest)
            guard let resource = place["resource"]?.stringValue, let namespace = place["namespace"]?.stringValue,
                let name = place["name"]?.stringValue, let length = place["bytes"]?.integerValue.flatMap({ Int(exactly: $0) }),
                length >= 0, length < rest.count, rest[rest.startIndex + length] == 0x0a
            else { throw Failure("object \(objects.count + 1) of it can't be read") }
            let value = Array(rest.prefix(length))
            rest = rest.dropFirst(length + 1)
            objects.append(StoredObject(key: StoreKey(resource, namespace: namespace, name), value: value, revision: revision))
        }
        guard objects.count == count else { throw Failure("it holds \(objects.count) objects in place of \(count)") }
        let sealed = try head["authority"]?.stringValue.map { text throws(Failure) in
            guard let bytes = Base64.decode(text) else { throw Failure("its authority can't be read") }
            return bytes
        }
        self.init(
            identity: identity, list: StoredList(objects: objects, revision: revision), created: created,
            trustDomain: trustDomain, authority: sealed)
    }

    private static func line(_ rest: inout ArraySlice<UInt8>) throws(Failure) -> ArraySlice<UInt8> {
        guard let end = rest.prefix(lineLimit).firstIndex(of: 0x0a) else { throw Failure("a line of it doesn't end") }
        defer { rest = rest[(end + 1)...] }
        return rest[..<end]
    }

    private static func document(_ rest: inout ArraySlice<UInt8>) throws(Failure) -> Value {
        let line = Array(try line(&rest))
        do throws(DocumentFailure) { return try JSON.read(line) } catch {
            throw Failure("a line of it is no JSON: \(error.message)")
        }
    }
}
