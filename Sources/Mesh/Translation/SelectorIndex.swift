// SPDX-License-Identifier: Apache-2.0

/// Finds which of many selectors match a workload's labels, without asking each: a selector lies under one of its labels, and is asked
/// only for workloads that have that one. Answers come in the order in which selectors were added.
struct SelectorIndex<Element> {
    private struct Pair: Hashable {
        let key: String
        let value: String
    }

    private struct Entry {
        let selector: [String: String]
        let element: Element
    }

    private var entries: [Entry] = []
    private var byPair: [Pair: [Int]] = [:]

    init() {}

    /// The selector must not be empty: what an empty one means differs from kind to kind.
    mutating func add(_ selector: [String: String], _ element: Element) {
        guard let first = selector.min(by: { $0.key < $1.key }) else { return }
        byPair[Pair(key: first.key, value: first.value), default: []].append(entries.count)
        entries.append(Entry(selector: selector, element: element))
    }

    func matching(_ labels: [String: String]) -> [Element] {
        var found: [Int] = []
        for (key, value) in labels {
            for place in byPair[Pair(key: key, value: value), default: []]
            where entries[place].selector.allSatisfy({ labels[$0.key] == $0.value }) {
                found.append(place)
            }
        }
        return found.sorted().map { entries[$0].element }
    }
}
