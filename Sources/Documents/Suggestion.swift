// SPDX-License-Identifier: Apache-2.0

/// The word that was probably meant: equal but for case, or at most two edits away (one for short words). Nil if none is near.
package func suggestion(for word: String, among candidates: some Sequence<String>) -> String? {
    let letters = Array(word.lowercased().utf8)
    // Nobody's slip of the keyboard is this long, and the distance costs length × length.
    guard letters.count <= 64 else { return nil }
    let allowed = letters.count <= 4 ? 1 : 2
    var best: (word: String, distance: Int)?
    // Each letter more is an edit.
    for candidate in candidates where abs(candidate.utf8.count - letters.count) <= allowed {
        let distance = editDistance(letters, Array(candidate.lowercased().utf8))
        guard distance <= allowed, distance < best?.distance ?? .max else { continue }
        best = (candidate, distance)
    }
    return best?.word
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var before: [Int] = []
    var previous = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var cost = min(row[j] + 1, previous[j + 1] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
            row.append(cost)
        }
        (before, previous) = (previous, row)
    }
    return previous[b.count]
}
