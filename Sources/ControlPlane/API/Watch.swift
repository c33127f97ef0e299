// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import HTTP
internal import Kernel
internal import Loop
internal import ResourceAPI
internal import Store
internal import Transport

/// One client that is told of changes as they come. It reads on in the ring at its own pace: while its client doesn't take what was sent nothing more
/// is made for it, and one that falls behind the ring is told that its place is lost (410), as after a compaction.
final class Watch: TimerTarget {
    /// From where it begins.
    struct Start {
        /// What is told first, as new; empty if the client has a state already.
        var objects: ArraySlice<CachedObject> = []
        /// Marks the end of `objects` (KEP-3157).
        var marksInitialEnd = false
        /// The ring's number of the first change that is told.
        let number: Int
        /// What the client has seen when it has been told `objects`.
        let revision: UInt64
    }

    /// Bytes that may be on their way to a client that doesn't take them.
    private static let queueLimit = 256 << 10

    private enum Tag {
        static let deadline: UInt32 = 0
    }

    /// Whose it is: it ends when they may no longer ask.
    let owner: String
    private let exchange: any HTTPExchange
    private let view: ObjectView
    /// An object that has only a kind, a version and this revision.
    private let bookmark: ((UInt64, Bool) -> [UInt8])?
    private unowned let hub: WatchHub
    private var objects: ArraySlice<CachedObject>
    private var marksInitialEnd: Bool
    private var number: Int
    /// The newest that the client has been told of, or that doesn't concern it.
    private(set) var revision: UInt64
    /// The revision of its last bookmark.
    private var marked: UInt64
    private var timer: LoopToken?
    private var isOver = false

    init(
        _ exchange: any HTTPExchange, owner: String, view: ObjectView, start: Start, bookmark: ((UInt64, Bool) -> [UInt8])?,
        hub: WatchHub
    ) {
        self.exchange = exchange
        self.owner = owner
        self.view = view
        self.bookmark = bookmark
        self.hub = hub
        objects = start.objects
        marksInitialEnd = start.marksInitialEnd
        number = start.number
        revision = start.revision
        marked = start.revision
    }

    func begin(for time: Interval) {
        timer = hub.loop.arm(time, self, tag: Tag.deadline)
        exchange.onGone = { [weak self] in self?.leave() }
        exchange.onDrained = { [weak self] in self?.advance() }
        exchange.begin(status: 200, headers: ["content-type": "application/json", "cache-control": "no-cache, private"])
        advance()
    }

    /// The time that it was given is over: an end in good order, after which clients watch again from where they are.
    func timerFired(_ tag: UInt32) {
        timer = nil
        finish()
    }

    /// Tells what can be told now.
    func advance() {
        guard !isOver else { return }
        while let object = objects.first {
            guard hasRoom else { return }
            objects.removeFirst()
            if let shown = view.covers(object.key) ? view.shown(object.text, revision: object.revision) : nil {
                exchange.send(WatchEvent.added.line(shown))
            }
        }
        if marksInitialEnd {
            marksInitialEnd = false
            if let bookmark { exchange.send(WatchEvent.bookmark.line(bookmark(revision, true))) }
        }
        let ring = hub.ring
        guard number >= ring.start else { return lose() }
        while let change = ring[number] {
            guard hasRoom else { return }
            number += 1
            if let event = view.event(of: change) { exchange.send(event) }
            revision = change.revision
        }
    }

    private var hasRoom: Bool { exchange.queued < Self.queueLimit }

    /// Tells how far the client's state reaches, if that is news and it asked for it.
    func mark() {
        guard let bookmark, !isOver, objects.isEmpty, number == hub.ring.end, revision > marked, hasRoom else { return }
        marked = revision
        exchange.send(WatchEvent.bookmark.line(bookmark(revision, false)))
    }

    /// Changes that it should have been told of are gone: the client has to list again.
    func lose() {
        guard !isOver else { return }
        let status = APIStatus(.expired, "too old resource version: \(revision). List again and watch from there")
        exchange.send(WatchEvent.error.line(status.document.jsonBytes))
        finish()
    }

    /// Whoever asked for it may no longer.
    func revoke() {
        guard !isOver else { return }
        let status = APIStatus(.unauthorized, "the token of this watch isn't valid any more")
        exchange.send(WatchEvent.error.line(status.document.jsonBytes))
        finish()
    }

    private func finish() {
        guard !isOver else { return }
        leave()
        exchange.finish(trailers: [:])
    }

    private func leave() {
        guard !isOver else { return }
        isOver = true
        objects = []
        if let timer = timer.take() { hub.loop.cancel(timer) }
        exchange.onDrained = nil
        exchange.onGone = nil
        hub.left(self)
    }
}
