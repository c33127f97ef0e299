// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// When each revision was told to everybody, and how long that took. On the server's loop.
struct AcknowledgementLog {
    struct Mark {
        /// Of the last change that the revision made here.
        let sequence: UInt64
        let revision: UInt64
        let at: Instant
        /// How many nodes have not acknowledged it.
        var waiting: Int
    }

    /// Who is further behind than so many batches is so far behind that the time isn't told exactly.
    static let limit = 16_384

    private(set) var marks: ContiguousArray<Mark> = []
    private var dropped = Mark(sequence: 0, revision: 0, at: Instant(nanoseconds: 0), waiting: 0)

    mutating func append(sequence: UInt64, revision: UInt64, at time: Instant, waiting: Int) {
        if let last = marks.last, last.sequence == sequence {
            // Nothing changed for anybody: the revision is as acknowledged as the one before.
            marks[marks.count - 1] = Mark(sequence: sequence, revision: revision, at: last.at, waiting: last.waiting)
            return
        }
        marks.append(Mark(sequence: sequence, revision: revision, at: time, waiting: waiting))
        guard marks.count > Self.limit else { return }
        dropped = marks[Self.limit / 2 - 1]
        marks.removeFirst(Self.limit / 2)
    }

    /// A node has acknowledged what lies between; `done` is told each mark that nobody is waited for any more.
    mutating func confirm(from: UInt64, to: UInt64, _ done: (Mark) -> Void) {
        var place = first(behind: from)
        while place < marks.count, marks[place].sequence <= to {
            marks[place].waiting -= 1
            if marks[place].waiting == 0 { done(marks[place]) }
            place += 1
        }
    }

    /// The newest revision of which everything up to this sequence is made; 0 if that is further back than is known.
    func revision(at sequence: UInt64) -> UInt64 {
        let place = first(behind: sequence)
        if place > 0 { return marks[place - 1].revision }
        return dropped.sequence <= sequence ? dropped.revision : 0
    }

    /// Since when something behind this sequence stands; nil if nothing does.
    func since(_ sequence: UInt64) -> Instant? {
        let place = first(behind: sequence)
        return place < marks.count ? marks[place].at : nil
    }

    private func first(behind sequence: UInt64) -> Int {
        var (low, high) = (0, marks.count)
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].sequence > sequence { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
