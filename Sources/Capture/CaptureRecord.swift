// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// What capture changed in one namespace, kept in a file so that a crash forgets nothing: written before the change, removed after
/// the last trace is gone. One file per namespace, named by device and inode.
package struct CaptureRecord: Equatable, Sendable {
    package let namespace: NamespaceIdentity
    /// Where the namespace was found, for people; it may mean another by now.
    package var name: String
    package var phase = Phase.captured
    /// What the rules were made from.
    package var options = ""
    /// What the settings were before, by name.
    package var settings: [String: String] = [:]
    /// Whether the loopback device was up before; nil until known.
    package var loopbackWasUp: Bool?
    /// nftables' generation when the listing was made: if it is the same, so is the listing.
    package var generation: UInt32?
    /// The rules as the kernel lists them, to compare with; empty until known.
    package var listing = ""

    package enum Phase: String, Sendable {
        case captured, draining
    }

    package init(namespace: NamespaceIdentity, name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// A listing is a few kilobytes.
    static let maximumSize = 256 * 1024
    private static let heading = "warren capture 1"
}

// MARK: - Text

extension CaptureRecord {
    package var text: String {
        var lines = [
            Self.heading, "namespace \(namespace.device) \(namespace.inode)", "name \(name)", "phase \(phase.rawValue)",
            "options \(options)",
        ]
        if let loopbackWasUp { lines.append("loopback \(loopbackWasUp)") }
        if let generation { lines.append("generation \(generation)") }
        lines += settings.sorted { $0.key < $1.key }.map { "setting \($0.key) \($0.value)" }
        return lines.joined(separator: "\n") + "\nlisting\n" + listing
    }

    /// Nil if the text isn't a record of ours.
    package init?(text: String) {
        let (head, listing) = Self.split(text)
        var fields: [String: String] = [:]
        var settings: [String: String] = [:]
        let lines = head.split(separator: "\n")
        guard lines.first == Self.heading[...] else { return nil }
        for line in lines.dropFirst() {
            let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
            if parts.first == "setting", parts.count == 3 {
                settings[parts[1]] = parts[2]
            } else if let key = parts.first {
                fields[key] = parts.dropFirst().joined(separator: " ")
            }
        }
        let numbers = fields["namespace", default: ""].split(separator: " ").compactMap { UInt64($0) }
        guard numbers.count == 2 else { return nil }
        self.init(namespace: NamespaceIdentity(device: numbers[0], inode: numbers[1]), name: fields["name", default: ""])
        // A phase that we don't know is a newer program's; to drain is then the safe reading.
        phase = Phase(rawValue: fields["phase", default: ""]) ?? .draining
        options = fields["options", default: ""]
        loopbackWasUp = fields["loopback"].flatMap { Bool($0) }
        generation = fields["generation"].flatMap { UInt32($0) }
        self.settings = settings
        self.listing = listing
    }

    private static func split(_ text: String) -> (head: Substring, listing: String) {
        let mark = Array("\nlisting\n".utf8)
        let bytes = Array(text.utf8)
        guard bytes.count >= mark.count else { return (text[...], "") }
        for start in 0...(bytes.count - mark.count) where bytes[start..<(start + mark.count)].elementsEqual(mark) {
            let head = String(decoding: bytes[..<start], as: UTF8.self)
            return (head[...], String(decoding: bytes[(start + mark.count)...], as: UTF8.self))
        }
        return (text[...], "")
    }
}

// MARK: - File

extension CaptureRecord {
    private static func path(_ namespace: NamespaceIdentity, in directory: String) -> String {
        "\(directory)/\(namespace.device)-\(namespace.inode)"
    }

    /// The record of a namespace; nil if there is none. One that can't be read as a record counts as none.
    static func read(_ namespace: NamespaceIdentity, in directory: String) throws(CaptureFailure) -> CaptureRecord? {
        let path = path(namespace, in: directory)
        do {
            let record = CaptureRecord(text: String(decoding: try File.read(path, limit: maximumSize), as: UTF8.self))
            return record?.namespace == namespace ? record : nil
        } catch {
            if error == .noSuchFile { return nil }
            throw .record(path, error)
        }
    }

    /// All records of a directory; none if it doesn't exist.
    package static func all(in directory: String) -> [CaptureRecord] {
        let names = (try? File.names(in: directory)) ?? []
        return names.compactMap { name in
            guard let bytes = try? File.read("\(directory)/\(name)", limit: maximumSize) else { return nil }
            return CaptureRecord(text: String(decoding: bytes, as: UTF8.self))
        }
    }

    func write(in directory: String) throws(CaptureFailure) {
        let path = Self.path(namespace, in: directory)
        do {
            try File.makeDirectory(directory, mode: 0o700)
            try File.replace(path, with: Array(text.utf8), mode: 0o600)
        } catch {
            throw .record(path, error)
        }
    }

    package func remove(in directory: String) throws(CaptureFailure) {
        let path = Self.path(namespace, in: directory)
        do { try File.remove(path) } catch {
            guard error == .noSuchFile else { throw .record(path, error) }
        }
    }
}
