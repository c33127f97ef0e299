// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import HTTP
package import Kernel
internal import Loop

/// Who started a stream and hears what becomes of it.
package protocol StreamOwner: AnyObject {
    /// Client: the other side reached the application. Application bytes flow from now on.
    func streamAccepted(_ headers: HTTPHeaders)
    /// Once, as the last thing. Nil: both applications finished. The application's socket is closed already, unless it never had one.
    func streamEnded(_ failure: ConnectionFailure?)
}

/// One application connection in a tunnel: the application's socket on one side, an HTTP/2 stream on the other. Both ends use it.
///
///     waiting ──accepted (client: 200 came; server: 200 sent)──► relaying ──both ends passed on──► over
///        └───────────────────refused, lost, cut───────────────────┴──────────────────────────────►
///
/// An END_STREAM becomes a FIN and a FIN an END_STREAM; everything else that ends a stream is a reset to the application (I12). Bytes that the peer
/// sends early are held until the application is connected; the stream's window bounds them. Lives on one context.loop. The tunnel holds it while the
/// stream exists, its owner until `streamEnded`.
package final class StreamRelay {
    private enum State {
        case waiting
        case relaying
        case over
    }

    let context: RelayContext
    /// Whose part of what may be held the stream takes.
    private var holder: HeldBytes?
    private var owner: (any StreamOwner)?
    /// Nil once the stream is gone; the socket may still have bytes to take then.
    private var tunnel: TunnelConnection?
    package private(set) var stream: Int32 = 0
    private var socket: Descriptor?
    private var token: Token?
    private var state = State.waiting
    /// Bytes that the application hasn't taken.
    private var held = ByteQueue()

    /// The application sent FIN, and END_STREAM went out for it.
    private var applicationEnded = false
    /// END_STREAM came.
    private var peerEnded = false
    /// FIN went to the application for it.
    private var applicationTold = false
    /// The session was told that there is something to read, and hasn't read to the end since.
    private var isResumed = false
    /// The last read emptied the socket and no event came since.
    private var isDrained = true
    private var isMuted = false
    private var hungUp = false

    private var fromApplication: UInt64 = 0
    private var toApplication: UInt64 = 0
    var patience = RelayPatience()
    /// What it has beyond the first was lent of the window budget.
    private var window: StreamWindow
    private var lastLarge: Instant?

    package init(_ context: RelayContext, owner: any StreamOwner) {
        self.context = context
        self.owner = owner
        window = StreamWindow(at: context.loop.now)
    }

    /// Client: bytes that the client's application sent are *received*.
    package func tally(asClient: Bool) -> Tally {
        var tally = Tally()
        tally.received = asClient ? fromApplication : toApplication
        tally.sent = asClient ? toApplication : fromApplication
        return tally
    }

    /// The tunnel carries this stream under this number.
    func attach(to tunnel: TunnelConnection, stream: Int32) {
        self.tunnel = tunnel
        holder = tunnel.holder
        self.stream = stream
    }

    /// The application is connected: from now on bytes flow both ways. The socket must close with a reset until now.
    /// - Parameter hasSpoken: the application may well have sent something already, so it is read in this turn without waiting to be told.
    package func begin(_ socket: consuming Descriptor, hasSpoken: Bool) {
        guard state == .waiting else { return }
        state = .relaying
        patience.begin(self)
        do throws(Errno) {
            token = try context.loop.watch(socket.number, for: .read, source: self)
        } catch {
            fail(ConnectionFailure(.limit, "watching a connection: \(error)"))
            return
        }
        self.socket = consume socket
        if hasSpoken {
            isDrained = false
            isResumed = true
            tunnel?.resume(stream)
        }
        if !held.isEmpty { flushHeld() }
        finishIfDone()
    }

    /// Whether a frame of its is talk: small, and not what a large transfer leaves between its large ones.
    func isTalking(_ frame: Int, at now: Instant) -> Bool {
        guard frame < BulkWatch.frame else {
            lastLarge = now
            return false
        }
        return lastLarge.map { now.since($0) >= BulkWatch.spell } ?? true
    }

    /// Resets the application and the stream.
    package func cut(_ failure: ConnectionFailure) { fail(failure) }
}

// MARK: - From the tunnel

extension StreamRelay {
    func accepted(_ headers: HTTPHeaders) { owner?.streamAccepted(headers) }

    /// Client: an answer that is no 200. The peer's stream is of no more use.
    func refused(_ status: Int) {
        fail(ConnectionFailure(.refused, "the other side answered \(status)", status: status), code: HTTP2Code.cancel)
    }

    func dataReceived(_ bytes: UnsafeRawBufferPointer) {
        guard state != .over else { return }
        grow(bytes.count)
        guard state == .relaying, held.isEmpty else {
            unsafe hold(bytes)
            return
        }
        let sent = unsafe send(bytes)
        guard state == .relaying else { return }
        if sent < bytes.count {
            guard unsafe hold(UnsafeRawBufferPointer(rebasing: bytes[sent...])) else { return }
            adjustWant()
        }
        if sent > 0 { tunnel?.consumed(stream, sent) }
    }

    /// Keeps what the application doesn't take. False if there is too much of that: the stream is over then.
    @discardableResult
    private func hold(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard context.windows.hold(bytes.count, for: holder) else {
            fail(ConnectionFailure(.limit, "applications leave too many bytes unread"))
            return false
        }
        unsafe held.append(bytes)
        return true
    }

    func endReceived() {
        peerEnded = true
        finishIfDone()
    }

    /// The stream is gone. Only after both ends that is as it should be.
    func streamClosed(_ error: UInt32) {
        tunnel = nil
        context.windows.giveBack(window.giveBack())
        guard state != .over else { return }
        if error == HTTP2Code.noError && applicationEnded && peerEnded { return }
        // Who resets an unanswered stream for another reason than not to have taken it may have done something with it (I13).
        let kind: ConnectionFailure.Kind =
            state == .relaying ? .tunnelLost : error == HTTP2Code.refusedStream ? .notTaken : .refused
        fail(ConnectionFailure(kind, "the other side ended the stream: \(HTTP2Code.name(error))"))
    }

    /// The tunnel under the stream failed, and this is why.
    func tunnelFailed(_ failure: ConnectionFailure) {
        tunnel = nil
        context.windows.giveBack(window.giveBack())
        guard state != .over else { return }
        if state == .relaying && applicationEnded && peerEnded { return }
        fail(failure)
    }

    func readData(into buffer: UnsafeMutableRawBufferPointer) -> HTTP2DataRead {
        guard state == .relaying, !isDrained, !applicationEnded else { return .nothing }
        let transfer: Transfer?
        do throws(Errno) {
            transfer = try unsafe socket?.receive(into: buffer)
        } catch {
            fail(ConnectionFailure(.reset, "the application ended the connection: \(error)"))
            return .reset(HTTP2Code.connectError)
        }
        switch transfer {
        case .moved(let count):
            fromApplication &+= UInt64(count)
            // After a hang-up no event may come: it is read to its end at once.
            if count < buffer.count && !hungUp { drained() }
            return .bytes(count)
        case .endOfStream:
            applicationEnded = true
            drained()
            finishIfDone()
            return .end
        case .wouldBlock, nil:
            drained()
            return .nothing
        }
    }

    /// Nothing to read until the next event.
    private func drained() {
        isDrained = true
        isResumed = false
        if isMuted || applicationEnded {
            isMuted = false
            adjustWant()
        }
    }

    /// A stream whose application takes everything at once gets a larger window if it has use for it, as long as the loop's budget lasts.
    private func grow(_ count: Int) {
        guard let tunnel, held.isEmpty, state == .relaying else { return }
        let more = window.note(
            count, at: context.loop.now, initial: tunnel.initialWindow, largest: context.bounds.largestStreamWindow,
            way: { tunnel.roundTrip }, isShared: { tunnel.isTalkative })
        guard more != 0 else { return }
        let loan = window.grown + more - window.lent
        guard loan <= 0 || context.windows.take(loan) else { return }
        window.grow(more)
        tunnel.setWindow(stream, to: tunnel.initialWindow + window.grown)
    }
}

// MARK: - From the application

extension StreamRelay: EventSource {
    package func ready(_ readiness: Readiness) {
        guard state == .relaying else { return }
        if readiness.contains(.failed) {
            let cause = socket?.takeError() ?? .connectionReset
            fail(ConnectionFailure(.reset, "the application ended the connection: \(cause)"))
            return
        }
        if readiness.contains(.hungUp) { hungUp = true }
        if readiness.contains(.write) { flushHeld() }
        guard state == .relaying, !readiness.isDisjoint(with: [.read, .peerEnded, .hungUp]), !applicationEnded else {
            adjustWant()
            return
        }
        isDrained = false
        if isResumed {
            // The tunnel can't take it now. It reads as soon as it can, so until then there is no need to be told.
            isMuted = true
            adjustWant()
        } else {
            isResumed = true
            tunnel?.resume(stream)
        }
    }

    private func flushHeld() {
        guard !held.isEmpty, socket != nil else { return }
        let sent: Int
        do throws(Errno) {
            // What fails is looked at afterwards: failing forgets the bytes that are being lent here.
            sent = if case .moved(let count) = try held.send(to: socket!) { count } else { 0 }
        } catch {
            fail(ConnectionFailure(.reset, "the application ended the connection: \(error)"))
            return
        }
        toApplication &+= UInt64(sent)
        held.consume(sent)
        context.windows.release(sent, of: holder)
        if sent > 0 { tunnel?.consumed(stream, sent) }
        finishIfDone()
        adjustWant()
    }

    /// How many bytes the application took.
    private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        do throws(Errno) {
            guard case .moved(let count) = try unsafe socket?.send(bytes) else { return 0 }
            toApplication &+= UInt64(count)
            return count
        } catch {
            fail(ConnectionFailure(.reset, "the application ended the connection: \(error)"))
            return 0
        }
    }

    /// A socket that hung up and has nothing to take is no longer watched: it would be told of without end.
    private func adjustWant() {
        var wanted: Readiness = []
        if !applicationEnded && !isMuted { wanted.insert(.read) }
        if !held.isEmpty { wanted.insert(.write) }
        if let token {
            if wanted.isEmpty && hungUp {
                context.loop.unwatch(token)
                self.token = nil
            } else {
                context.loop.want(wanted, token)
            }
        } else if !wanted.isEmpty, let number = socket?.number {
            do throws(Errno) { token = try context.loop.watch(number, for: wanted, source: self) } catch {
                fail(ConnectionFailure(.limit, "watching a connection: \(error)"))
            }
        }
    }
}

// MARK: - The end

extension StreamRelay {
    private func finishIfDone() {
        guard state == .relaying else { return }
        if peerEnded && held.isEmpty && !applicationTold {
            applicationTold = true
            // Where this was the last that had to be said, closing says it.
            if !applicationEnded { socket?.shutdownWriting() }
        }
        if applicationTold || applicationEnded { patience.halfClosed(self) }
        if applicationTold && applicationEnded {
            socket?.setResetOnClose(false)
            close()
            end(nil)
        }
    }

    private func fail(_ failure: ConnectionFailure, code: UInt32 = HTTP2Code.connectError) {
        guard state != .over else { return }
        close()
        tunnel?.reset(stream, code)
        end(failure)
    }

    /// The application sees a reset unless it was said otherwise before.
    private func close() {
        state = .over
        patience.end(on: context.loop)
        if let token = token.take() { context.loop.forget(token) }
        socket = nil
        context.windows.release(held.count, of: holder)
        held.release()
    }

    private func end(_ failure: ConnectionFailure?) {
        if let owner = owner.take() { owner.streamEnded(failure) }
    }
}
