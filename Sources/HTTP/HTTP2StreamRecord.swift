// SPDX-License-Identifier: Apache-2.0

/// What the session knows of an open stream beyond what the library knows. Owned by the session, which links all of them; the library
/// holds a pointer to it as the stream's user data, so that no event needs a look-up of ours.
@safe struct HTTP2StreamRecord {
    let id: Int32
    /// The delegate's own pointer.
    var context: UnsafeMutableRawPointer?
    /// The delegate was told of the stream, and is therefore told of its end.
    var isAnnounced = false
    /// A tunnel: DATA only behind the heads, and none of ours before a 2xx answer.
    var isConnect = false
    /// The final answer was sent, or received.
    var isAnswered = false
    /// That answer was a 2xx.
    var isAccepted = false
    /// We reset it. Nothing but its end is told from here on: what a peer has under way is no news of a stream that we gave up.
    var isReset = false
    /// The body that was announced by `content-length` and hasn't come yet; -1 when nothing was announced.
    var bodyLeft = -1

    /// Its events are for the delegate.
    var isTold: Bool { isAnnounced && !isReset }

    fileprivate var next: UnsafeMutablePointer<HTTP2StreamRecord>?
    fileprivate var previous: UnsafeMutablePointer<HTTP2StreamRecord>?

    init(_ id: Int32, context: UnsafeMutableRawPointer? = nil) {
        self.id = id
        unsafe self.context = context
    }
}

/// The records of a session, linked, so that all can be told and freed when the connection is lost.
@safe struct HTTP2StreamList: ~Copyable {
    private var head: UnsafeMutablePointer<HTTP2StreamRecord>?
    private(set) var count = 0

    deinit {
        var rest = unsafe head
        while let record = unsafe rest {
            unsafe rest = record.pointee.next
            unsafe Self.free(record)
        }
    }

    /// Makes the record of a new stream.
    mutating func insert(_ record: HTTP2StreamRecord) -> UnsafeMutablePointer<HTTP2StreamRecord> {
        let place = UnsafeMutablePointer<HTTP2StreamRecord>.allocate(capacity: 1)
        unsafe place.initialize(to: record)
        unsafe place.pointee.next = head
        unsafe head?.pointee.previous = place
        unsafe head = place
        count += 1
        return unsafe place
    }

    /// Frees a record. The pointer is dead afterwards.
    mutating func remove(_ record: UnsafeMutablePointer<HTTP2StreamRecord>) {
        let (previous, next) = unsafe (record.pointee.previous, record.pointee.next)
        unsafe next?.pointee.previous = previous
        if let previous = unsafe previous { unsafe previous.pointee.next = next } else { unsafe head = next }
        count -= 1
        unsafe Self.free(record)
    }

    /// The record of this stream, newest first.
    func find(_ id: Int32) -> UnsafeMutablePointer<HTTP2StreamRecord>? {
        var place = unsafe head
        while let record = unsafe place, unsafe record.pointee.id != id { unsafe place = record.pointee.next }
        return unsafe place
    }

    /// Any of the records.
    var first: UnsafeMutablePointer<HTTP2StreamRecord>? { unsafe head }

    private static func free(_ record: UnsafeMutablePointer<HTTP2StreamRecord>) {
        unsafe record.deinitialize(count: 1)
        unsafe record.deallocate()
    }
}
