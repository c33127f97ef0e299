// SPDX-License-Identifier: Apache-2.0

internal import Store

/// Records under numbers, in a flat array; the number of one that went is given again. A value.
struct RecordList<Record> {
    private var records: ContiguousArray<Record?> = []
    private var free: [Int32] = []

    var count: Int { records.count - free.count }

    /// The number under which it stands until it is removed.
    mutating func add(_ record: Record) -> Int32 {
        if let number = free.popLast() {
            records[Int(number)] = record
            return number
        }
        records.append(record)
        return Int32(records.count - 1)
    }

    mutating func remove(_ number: Int32) {
        records[Int(number)] = nil
        free.append(number)
    }

    /// Nil if nothing stands there.
    subscript(number: Int32) -> Record? {
        get { records[Int(number)] }
        set { records[Int(number)] = newValue }
    }
}

extension StoreKey {
    /// Of an object among those of its resource.
    var placeHash: Int {
        var hasher = Hasher()
        hasher.combine(namespace)
        hasher.combine(name)
        return hasher.finalize()
    }
}
