// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Kernel

/// What two daemons say to each other while one hands over to the other: a JSON document per packet, at most `limit` bytes. Who asks has the word;
/// every question has one answer. docs/decisions/0016 has the states of both.
enum HandoverMessage: Equatable, Sendable {
    /// The new one is there. Answered by `offer` or `refused`.
    case hello(version: String)
    case offer(version: String, items: Int)
    /// The new one wants this item, from 0. Answered by `item`, with its descriptor.
    case take(Int)
    case item(HandoverItem)
    /// The new one has built everything up and watches no listener yet. Answered by `go`.
    case built
    case go
    /// The new one accepts. Answered by `draining`.
    case serving
    case draining
    /// Nothing comes of it, and why. Also without a question, when time is up.
    case refused(String)
    /// `warrend upgrade` asks who is there. Answered by `server`.
    case who
    case server(version: String, process: CInt)
    /// Give your place as systemd's main process to a child that only waits. Answered by `detached`.
    case detach
    case detached(process: CInt)

    /// Counts what one side can't do without the other; fields may come without it.
    static let version = 1
    static let limit = 64 * 1024
    /// A document of ours is flat.
    private static let depth = 8

    var bytes: [UInt8] { Value.object([("protocol", .integer(Self.version)), ("say", .string(word))] + fields).jsonBytes }

    private var word: String {
        switch self {
        case .hello: "hello"
        case .offer: "offer"
        case .take: "take"
        case .item: "item"
        case .built: "built"
        case .go: "go"
        case .serving: "serving"
        case .draining: "draining"
        case .refused: "refused"
        case .who: "who"
        case .server: "server"
        case .detach: "detach"
        case .detached: "detached"
        }
    }

    private var fields: [(String, Value)] {
        switch self {
        case .hello(let version): [("version", .string(version))]
        case .offer(let version, let items): [("version", .string(version)), ("items", .integer(items))]
        case .take(let index): [("index", .integer(index))]
        case .item(let item): [("item", item.document)]
        case .refused(let reason): [("reason", .string(reason))]
        case .server(let version, let process): [("version", .string(version)), ("process", .integer(process))]
        case .detached(let process): [("process", .integer(process))]
        case .built, .go, .serving, .draining, .who, .detach: []
        }
    }

    /// Reads a packet; what can't be understood is a failure with its reason.
    static func read(_ bytes: [UInt8]) throws(HandoverFailure) -> HandoverMessage {
        var limits = DocumentLimits()
        limits.depth = depth
        let document: Value
        do throws(DocumentFailure) { document = try JSON.read(bytes, limits: limits) } catch {
            throw HandoverFailure("a packet that is no JSON: \(error.message)")
        }
        guard let version = document["protocol"]?.integerValue else { throw HandoverFailure("a packet without a protocol") }
        guard version == Self.version else {
            throw HandoverFailure(
                "the other warrend speaks version \(version) of the hand-over, this one version \(Self.version)")
        }
        guard let word = document["say"]?.stringValue else { throw HandoverFailure("a packet that says nothing") }
        guard let message = read(word, document) else {
            throw HandoverFailure("a packet `\(word.prefix(40))` that isn't understood")
        }
        return message
    }

    private static func read(_ word: String, _ document: Value) -> HandoverMessage? {
        func number<Number: FixedWidthInteger>(_ key: String) -> Number? {
            document[key]?.integerValue.flatMap { Number(exactly: $0) }
        }
        let version = document["version"]?.stringValue.map { String($0.prefix(100)) }
        switch word {
        case "hello": return version.map { .hello(version: $0) }
        case "offer":
            guard let version, let items: Int = number("items"), items >= 0 else { return nil }
            return .offer(version: version, items: items)
        case "take": return number("index").map { .take($0) }
        case "item": return document["item"].flatMap { HandoverItem($0) }.map { .item($0) }
        case "built": return .built
        case "go": return .go
        case "serving": return .serving
        case "draining": return .draining
        case "refused": return .refused(String((document["reason"]?.stringValue ?? "without a reason").prefix(1000)))
        case "who": return .who
        case "server":
            guard let version, let process: CInt = number("process") else { return nil }
            return .server(version: version, process: process)
        case "detach": return .detach
        case "detached": return number("process").map { .detached(process: $0) }
        default: return nil
        }
    }
}

/// Why a hand-over comes to nothing, as a sentence.
struct HandoverFailure: Error, Equatable, Sendable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
