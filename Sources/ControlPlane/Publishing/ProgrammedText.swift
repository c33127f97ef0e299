// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import ResourceAPI
internal import Store

/// What an object says of the hosts that have it, read and written in its stored text.
enum ProgrammedText {
    /// Whether it says that all have it, as it stands, and so nothing is to be added. Seen without its bookkeeping. A policy says of itself, too,
    /// whether hosts judge by it, which is looked at.
    static func isSettled(_ standing: CachedObject) -> Bool {
        guard standing.key.resource != PolicyAcceptance.resource, let content = ObjectText.content(standing.text) else {
            return false
        }
        return isTrue(Condition.programmed, content)
    }

    /// The object with the condition, and what a policy says of itself; nil if it says so already.
    static func stating(_ programmed: Condition?, _ standing: CachedObject, unlessTrue: Bool) -> [UInt8]? {
        // What can't be read is told elsewhere, by name.
        guard let object = try? JSON.read(standing.text) else { return nil }
        let generation = object.at("metadata", "generation")?.integerValue
        let before = object.at("status", "conditions")?.sequenceValue ?? []
        let stays = unlessTrue && (programmed.map { isTrue($0.type, object) } ?? false)
        let accepted = standing.key.resource == PolicyAcceptance.resource ? PolicyAcceptance.condition(of: object) : nil
        let conditions = [stays ? nil : programmed, accepted].compactMap(\.self)
        if conditions.allSatisfy({ $0.stands(in: before, generation: generation) }) { return nil }
        let now = WallTime.now().seconds
        let after = conditions.reduce(before) { $1.put(into: $0, generation: generation, seconds: now) }
        return ObjectText.stored(object.setting(["status", "conditions"], .array(after)))
    }

    private static func isTrue(_ type: String, _ object: Value) -> Bool {
        let generation = object.at("metadata", "generation")?.integerValue
        return object.at("status", "conditions")?.sequenceValue?.contains {
            $0["type"]?.stringValue == type && $0["status"] == "True" && $0["observedGeneration"]?.integerValue == generation
        } ?? false
    }
}
