// SPDX-License-Identifier: Apache-2.0

package import HTTP
internal import Kernel
internal import Loop
internal import TLS

extension TunnelConnection {
    package var openStreams: Int { streams }

    /// A stream may be opened here now.
    package var hasRoom: Bool { streams < settings.streamsPerTunnel && mayOpen }

    /// The peer would take one more, though we would rather have another tunnel.
    var mayOpen: Bool { state == .open && !isStale && http.canOpenStream }

    /// How many bytes wait for the kernel: a tunnel with a backlog is busy.
    package var backlog: Int { tls.output.pendingCount }

    /// A stream moves in bulk here: what shares the connection waits behind it.
    var isBulk: Bool { bulk.isBusy(at: loop.now) }

    package var cipher: String { tls.cipherName }

    /// Client: sends a CONNECT for the relay. False if there is no room after all.
    package func open(_ relay: StreamRelay, head: HTTP2RequestHead) -> Bool {
        guard mayOpen else { return false }
        let context = unsafe Unmanaged.passRetained(relay)
        guard let stream = unsafe http.submitRequest(head, context: context.toOpaque()) else {
            unsafe context.release()
            return false
        }
        streams += 1
        streamsOpened += 1
        lastUsed = loop.now
        relay.attach(to: self, stream: stream)
        queueTurn()
        return true
    }

    /// Server: the peer still waits for the answer to this request.
    package func isOpen(_ stream: Int32) -> Bool { !isOver && http.isOpen(stream) }

    /// Server: a relay takes the request's stream; its answer follows by `respond`.
    package func accept(_ stream: Int32, _ relay: StreamRelay) {
        let context = unsafe Unmanaged.passRetained(relay)
        unsafe http.setContext(stream, context.toOpaque())
        relay.attach(to: self, stream: stream)
    }

    /// Server: 200, the application is reached.
    package func respond(_ stream: Int32, headers: HTTPHeaders) {
        http.submitResponse(stream, status: 200, headers: headers, endStream: false)
        queueTurn()
    }

    /// Server: anything but 200. The stream is over by that.
    package func refuse(_ stream: Int32, status: Int, headers: HTTPHeaders = [:]) {
        http.submitResponse(stream, status: status, headers: headers, endStream: true)
        queueTurn()
    }

    /// Server: requests that come from now on are refused so that the client may repeat them elsewhere, and it is told to go. For an expired
    /// certificate; a renewed one says goodbye by `leave`, which takes what is under way.
    package func expire() {
        guard !isOver else { return }
        http.refusesStreams = true
        leave()
    }

    func resume(_ stream: Int32) {
        http.resume(stream)
        queueTurn()
    }

    func consumed(_ stream: Int32, _ count: Int) {
        guard !isOver else { return }
        http.consume(stream, count)
        queueTurn()
    }

    func setWindow(_ stream: Int32, to bytes: Int) { http.setStreamWindow(stream, to: bytes) }

    /// The way there and back at its shortest, as the kernel saw it; it is asked once a second at most.
    var roundTrip: Interval {
        if let known = way, loop.now.since(known.at) < .seconds(1) { return known.time }
        let time = socket?.shortestRoundTrip() ?? .zero
        way = (time, loop.now)
        return time
    }

    /// A stream that doesn't move in bulk said something lately.
    var isTalkative: Bool { talk.map { loop.now.since($0) < StreamWindow.memory } ?? false }

    package func reset(_ stream: Int32, _ code: UInt32) {
        guard !isOver else { return }
        http.reset(stream, code)
        queueTurn()
    }

    func queueTurn() {
        guard !isQueued, !isOver else { return }
        isQueued = true
        loop.atEndOfTurn(self)
    }
}
