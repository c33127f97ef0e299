// SPDX-License-Identifier: Apache-2.0

internal import Messages
internal import Wire

/// One response, put together from the encodings that all clients share.
struct PushMessage {
    let bytes: [UInt8]
    let nonce: String
    let changesTo: UInt64
    let removalsTo: UInt64
    let resources: Int
    let removals: Int
}

/// Puts responses together, and remembers the last ones: clients that stand at the same position are told the same bytes. On the loop of the server.
final class PushAssembly {
    /// How far a push may go; whether it says nothing but what all at its position are told is the subscription's matter.
    struct Limits: Hashable {
        var changes: UInt64
        var removals: UInt64
    }

    private struct Place: Hashable {
        let table: ObjectIdentifier
        let changes: UInt64
        let removals: UInt64
        let limits: Limits
    }

    /// Bytes of one response. Hundreds of clients that all begin at once have one each in their queues, so it is far below what one may have.
    static let size = 128 << 10
    /// 8 MiB of responses: clients that begin together stay close together.
    private static let remembered = 64

    private var cache: [Place: PushMessage] = [:]
    /// The oldest first.
    private var places: [Place] = []
    private var nonces: UInt64 = 0
    /// `IDENTITY/REVISION`.
    var systemVersion = "" { didSet { forget() } }
    /// How many responses were put together, rather than remembered.
    private(set) var assembled: UInt64 = 0

    /// What was remembered may say what has changed since.
    func forget() {
        cache.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
    }

    /// The next response for a client; nil if there is nothing to tell it within the limits.
    func next(for subscription: Subscription, _ limits: Limits) -> (PushMessage, named: [String])? {
        // What is local is one client's alone.
        guard subscription.isShareable, subscription.type != .local else { return assemble(subscription, limits) }
        let place = Place(
            table: ObjectIdentifier(subscription.table), changes: subscription.changePosition,
            removals: subscription.removalPosition, limits: limits)
        if let known = cache[place] { return (known, []) }
        guard let made = assemble(subscription, limits) else { return nil }
        // An answer that says nothing is for who waits for one alone.
        guard made.0.resources + made.0.removals > 0 else { return made }
        if places.count >= Self.remembered { cache[places.removeFirst()] = nil }
        places.append(place)
        cache[place] = made.0
        return made
    }

    private func assemble(_ subscription: Subscription, _ limits: Limits) -> (PushMessage, named: [String])? {
        var draft = Draft(systemVersion: systemVersion)
        let named = addAsked(subscription, &draft)
        var changesTo = max(subscription.changePosition, min(limits.changes, subscription.table.newest))
        subscription.table.changes(after: subscription.changePosition, upTo: limits.changes) { slot, entry in
            guard subscription.wants(slot, entry) else { return true }
            guard draft.hasRoom(for: entry.resource.cost) else {
                changesTo = entry.sequence - 1
                return false
            }
            draft.add(entry.resource, withAliases: !subscription.isWildcard)
            subscription.noteTold(entry.resource.name)
            return true
        }
        var removalsTo = max(subscription.removalPosition, min(limits.removals, subscription.table.newestRemoval))
        subscription.table.removals(after: subscription.removalPosition, upTo: limits.removals) { name, sequence in
            guard subscription.wantsRemoval(name) else { return true }
            guard draft.hasRoom(for: name.utf8.count + 4) else {
                removalsTo = sequence - 1
                return false
            }
            draft.remove(name)
            subscription.noteRemoved(name)
            return true
        }
        addMissing(subscription, limits, &draft)
        if draft.isEmpty, !subscription.owesAnswer {
            subscription.pass(changesTo: changesTo, removalsTo: removalsTo)
            return nil
        }
        nonces &+= 1
        assembled &+= 1
        let nonce = String(nonces, radix: 16)
        let message = PushMessage(
            bytes: draft.finished(type: subscription.type, nonce: nonce), nonce: nonce, changesTo: changesTo,
            removalsTo: removalsTo, resources: draft.resources, removals: draft.removals.count)
        return (message, named)
    }

    private func addAsked(_ subscription: Subscription, _ draft: inout Draft) -> [String] {
        var (named, looked): ([String], Int) = ([], 0)
        for name in subscription.asked {
            if let entry = subscription.table.entry(name) {
                guard draft.hasRoom(for: entry.resource.cost) else { break }
                draft.add(entry.resource, withAliases: !subscription.isWildcard)
                subscription.noteTold(name)
                named.append(name)
            }
            looked += 1
        }
        _ = subscription.takeAsked(looked)
        return named
    }

    /// Names that aren't there are told as removed, even if they never were: so the client knows that it needn't wait (xDS protocol, "knowing when
    /// a requested resource does not exist").
    private func addMissing(_ subscription: Subscription, _ limits: Limits, _ draft: inout Draft) {
        guard limits.removals == .max || limits.removals >= subscription.removalPosition else { return }
        var taken = 0
        for name in subscription.missing {
            guard draft.hasRoom(for: name.utf8.count + 4) else { break }
            taken += 1
            // It may have come since it was asked for.
            if subscription.table.entry(name) == nil { draft.remove(name) }
            subscription.noteRemoved(name)
        }
        _ = subscription.takeMissing(taken)
    }

    /// A response that is being written.
    private struct Draft {
        private var writer = ProtobufWriter()
        private(set) var removals: [String] = []
        private var removalBytes = 0
        private(set) var resources = 0

        init(systemVersion: String) {
            if !systemVersion.isEmpty { writer.write(string: systemVersion, field: 1) }
        }

        var isEmpty: Bool { resources == 0 && removals.isEmpty }

        /// One that is larger than a response goes alone.
        func hasRoom(for cost: Int) -> Bool { isEmpty || writer.bytes.count + removalBytes + cost <= PushAssembly.size }

        mutating func add(_ resource: EncodedResource, withAliases: Bool) {
            resources += 1
            resource.write(to: &writer, field: 2, withAliases: withAliases)
        }

        mutating func remove(_ name: String) {
            removals.append(name)
            removalBytes += name.utf8.count + 4
        }

        mutating func finished(type: ResourceType, nonce: String) -> [UInt8] {
            writer.write(string: type.rawValue, field: 4)
            writer.write(string: nonce, field: 5)
            for name in removals { writer.write(string: name, field: 6) }
            return writer.bytes
        }
    }
}
