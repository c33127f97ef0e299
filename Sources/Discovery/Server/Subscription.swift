// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Wire

/// What one client wants of one type, and how far it has been told: positions in the table's order, one push in flight, and for a client that asks
/// for single resources their names. Never a copy of what it was told.
final class Subscription {
    /// A push that the client hasn't answered.
    struct Push {
        let nonce: String
        let changesFrom: UInt64
        let changesTo: UInt64
        let removalsTo: UInt64
        /// What was asked for by name and is in it.
        let named: [String]
    }

    /// What the client held when it came: these slots needn't be told, as far as they haven't changed since.
    private struct Held {
        var slots: [UInt64]
        let until: UInt64

        func contains(_ slot: Int, _ sequence: UInt64) -> Bool {
            sequence <= until && slot / 64 < slots.count && slots[slot / 64] & (1 << UInt64(slot % 64)) != 0
        }
    }

    /// Names that one client may be subscribed to.
    static let nameLimit = 65_536

    let type: ResourceType
    let table: ResourceTable
    private(set) var isWildcard: Bool
    private(set) var names: Set<String> = []
    /// What a client that asks by name was told, and so has to be told the end of.
    private var told: Set<String> = []
    /// Still to be told whatever their position: what was asked for by name.
    private(set) var asked: [String] = []
    /// Still to be told as removed: what the client holds or asks for, and isn't there.
    private(set) var missing: [String] = []
    private var held: Held?
    /// The client waits for an answer even if it holds nothing.
    var owesAnswer = true
    /// Everything up to here was sent.
    private(set) var changePosition: UInt64 = 0
    private(set) var removalPosition: UInt64
    /// Everything up to here was acknowledged, or refused.
    private(set) var acknowledgedChange: UInt64 = 0
    private(set) var acknowledgedRemoval: UInt64
    private(set) var inFlight: Push?
    var refusals = RefusalList()
    private let node: String

    init(type: ResourceType, table: ResourceTable, isWildcard: Bool, node: String, sequence: UInt64) {
        self.type = type
        self.table = table
        self.isWildcard = isWildcard
        self.node = node
        // Who holds nothing needs no removals; who asks by name no changes that are past.
        removalPosition = sequence
        acknowledgedRemoval = sequence
        if !isWildcard {
            changePosition = sequence
            acknowledgedChange = sequence
            if type == .address { asked = table.names(on: node) }
        }
    }

    /// True: it has been overtaken by so many removals that it can only begin again.
    var isOvertaken: Bool { removalPosition < table.removalFloor }

    // MARK: - What the client says

    /// Takes what a client holds from an earlier call. What it holds in the same version isn't told again; what is no more is told as removed.
    func takeHeld(_ request: DeltaRequestReader, sequence: UInt64) throws(WireFailure) {
        guard request.heldCount > 0 else { return }
        var slots = [UInt64](repeating: 0, count: table.slotCount / 64 + 1)
        try request.forEachHeld { name, version in
            guard let slot = table.slot(name), let entry = table.entry(at: slot) else {
                missing.append(name)
                return
            }
            if entry.resource.version == version {
                slots[slot / 64] |= 1 << UInt64(slot % 64)
            } else if !isWildcard {
                asked.append(name)
            }
            if !isWildcard { told.insert(name) }
        }
        held = Held(slots: slots, until: sequence)
    }

    /// False: these are more names than one client may have.
    func subscribe(_ more: [String]) -> Bool {
        for name in more where name != "*" {
            names.insert(name)
            let found = table.resolve(name)
            if found.isEmpty { missing.append(name) } else { asked += found }
        }
        if !more.isEmpty { owesAnswer = true }
        return names.count <= Self.nameLimit && asked.count <= 4 * Self.nameLimit
    }

    func unsubscribe(_ gone: [String]) {
        for name in gone where name != "*" {
            names.remove(name)
            // The client forgets it by itself (xDS protocol, "unsubscribing from resources").
            told.remove(name)
        }
    }

    /// From single resources to all, or back.
    func setWildcard(_ wanted: Bool, sequence: UInt64) {
        guard wanted != isWildcard else { return }
        isWildcard = wanted
        changePosition = wanted ? 0 : sequence
        acknowledgedChange = min(acknowledgedChange, changePosition)
        held = nil
        if wanted { told = [] }
        owesAnswer = true
    }

    // MARK: - What there is to tell

    var nextChange: UInt64? { table.nextChange(after: changePosition) }
    var nextRemoval: UInt64? { table.nextRemoval(after: removalPosition) }

    /// Whether something is there that could be sent if nothing else had to come before.
    func isWaiting(released: UInt64) -> Bool {
        guard inFlight == nil else { return false }
        return owesAnswer || !asked.isEmpty || !missing.isEmpty || (nextChange ?? .max) <= released
            || (nextRemoval ?? .max) <= released
    }

    /// Whether the next push says just what that of every other client at its position says.
    var isShareable: Bool { isWildcard && held == nil && asked.isEmpty && missing.isEmpty }

    func wants(_ slot: Int, _ entry: ResourceTable.Entry) -> Bool {
        if let held, held.contains(slot, entry.sequence) { return false }
        if isWildcard { return true }
        let resource = entry.resource
        return names.contains(resource.name) || told.contains(resource.name)
            || type == .address && !node.isEmpty && resource.node == node
            || resource.aliases.contains { names.contains($0) }
            || resource.services.contains { names.contains($0) || told.contains($0) }
    }

    func wantsRemoval(_ name: String) -> Bool { isWildcard || told.contains(name) || names.contains(name) }

    func takeAsked(_ count: Int) -> ArraySlice<String> {
        let taken = asked.prefix(count)
        asked.removeFirst(count)
        return taken
    }

    func takeMissing(_ count: Int) -> ArraySlice<String> {
        let taken = missing.prefix(count)
        missing.removeFirst(count)
        return taken
    }

    func noteTold(_ name: String) { if !isWildcard { told.insert(name) } }
    func noteRemoved(_ name: String) { if !isWildcard { told.remove(name) } }

    // MARK: - Pushes

    /// Passes over what was looked at and isn't wanted.
    func pass(changesTo: UInt64, removalsTo: UInt64) {
        changePosition = max(changePosition, changesTo)
        removalPosition = max(removalPosition, removalsTo)
        if let held, changePosition >= held.until { self.held = nil }
        if inFlight == nil { confirm() }
    }

    func sent(nonce: String, from: UInt64, changesTo: UInt64, removalsTo: UInt64, named: [String]) {
        inFlight = Push(nonce: nonce, changesFrom: from, changesTo: changesTo, removalsTo: removalsTo, named: named)
        owesAnswer = false
        pass(changesTo: changesTo, removalsTo: removalsTo)
    }

    /// The client answered. False: this is no answer to what was sent last.
    func answered(nonce: String, error: String?, at time: WallTime) -> Bool {
        guard let push = inFlight, push.nonce == nonce else { return false }
        inFlight = nil
        refusals.answered(push, table: table, error: error, at: time)
        confirm()
        return true
    }

    /// Only called with nothing in flight: everything up to the positions is acknowledged.
    private func confirm() {
        acknowledgedChange = changePosition
        acknowledgedRemoval = removalPosition
    }

    /// Everything of this type up to here is acknowledged; `.max` if there is nothing else.
    var acknowledged: UInt64 {
        guard inFlight == nil, asked.isEmpty, missing.isEmpty, !owesAnswer else {
            return min(acknowledgedChange, acknowledgedRemoval)
        }
        return min(nextChange.map { $0 - 1 } ?? .max, nextRemoval.map { $0 - 1 } ?? .max)
    }
}
