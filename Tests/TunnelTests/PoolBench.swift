// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
import Kernel
import Loop
import Support
import Testing
import Tunnel

/// A pool whose tunnels are dialled over loopback to a server in this process.
final class PoolBench: TunnelDialer {
    /// A server's end of one tunnel.
    struct Served {
        let end: TunnelEnd
        let tunnel: TunnelConnection
    }

    let loop: Loop
    let bounds: TunnelBounds
    let client: TunnelEnd
    private(set) var pool: TunnelPool!
    private(set) var servers: [Served] = []
    /// For whom a tunnel was dialled, in order.
    private(set) var dialled: [TunnelKey] = []
    /// How the dialled ones came out.
    private(set) var outcomes: [ConnectionFailure?] = []
    private(set) var ended = 0
    /// Told as open and not as ended.
    private(set) var open = 0
    /// Why no tunnel can even be tried.
    /// Why who answered isn't taken.
    var refusal: ConnectionFailure?
    var dialFailure: ConnectionFailure?
    /// Whom the client expects at the other end.
    var expected = "db"
    /// Where nobody listens.
    var isServerDown = false
    /// The server accepts connections of TCP.
    var accepts = true

    private var places = 0
    private let listener: LoopbackListener
    private let nowhere: SocketAddress
    private let serverHTTP2: HTTP2Settings
    private let tunnelBuffer: CInt?

    init(bounds: TunnelBounds = TunnelBounds(), streamLimit: UInt32 = 200, tunnelBuffer: CInt? = nil, streamWindow: UInt32? = nil)
        throws
    {
        loop = try Loop()
        self.bounds = bounds
        self.tunnelBuffer = tunnelBuffer
        var http2 = HTTP2Settings(.server)
        if let streamWindow { http2.initialStreamWindow = streamWindow }
        http2.maxConcurrentStreams = streamLimit
        serverHTTP2 = http2
        listener = try LoopbackListener(buffer: tunnelBuffer)
        nowhere = try { try LoopbackListener().address }()
        client = TunnelEnd(loop: loop, bounds: bounds)
        pool = TunnelPool(settings: bounds, dialer: self)
    }

    func dial(_ key: TunnelKey, owner: any TunnelOwner) -> Result<TunnelConnection, ConnectionFailure> {
        dialled.append(key)
        if let dialFailure { return .failure(dialFailure) }
        do {
            let socket = try Socket.tcp(.v4)
            let address = isServerDown ? nowhere : listener.address
            _ = try socket.connect(to: address)
            return .success(
                TunnelConnection(
                    role: .client, loop: loop, settings: bounds, socket: socket, remote: key.remote,
                    tls: try Identities.shared().connecting(expecting: expected), http2: HTTP2Settings(.client), owner: owner))
        } catch {
            return .failure(ConnectionFailure(.connect, "\(error)"))
        }
    }

    func secured(_ tunnel: TunnelConnection) -> ConnectionFailure? { refusal }

    func dialEnded(_ key: TunnelKey, _ tunnel: TunnelConnection, _ failure: ConnectionFailure?) {
        outcomes.append(failure)
        open += failure == nil ? 1 : 0
    }

    func tunnelEnded(_ key: TunnelKey, _ failure: ConnectionFailure?, wasOpen: Bool) {
        ended += 1
        open -= wasOpen ? 1 : 0
    }

    func turn() {
        if accepts, let accepted = try? listener.descriptor.accept() { serve(accepted.take()) }
        client.step()
        for server in servers { server.end.step() }
        loop.turn(wait: .milliseconds(1))
    }

    private func serve(_ socket: consuming Descriptor) {
        guard let identities = try? Identities.shared() else { return }
        let end = TunnelEnd(loop: loop, bounds: bounds)
        let tunnel = TunnelConnection(
            role: .server, loop: loop, settings: bounds, socket: socket, remote: SocketAddress(.loopbackV4, 40000),
            tls: identities.accepting(), http2: serverHTTP2, owner: end)
        servers.append(Served(end: end, tunnel: tunnel))
        tunnel.start()
    }

    func run(_ what: String, until condition: () -> Bool) throws {
        try drive(
            what, detail: { "dialled \(dialled.count), outcomes \(outcomes), servers \(servers.count)" }, turn, until: condition)
    }

    func settle(_ turns: Int = 40) { for _ in 0..<turns { turn() } }

    /// Asks for a tunnel and, when there is one, opens a stream in it.
    func caller(_ key: TunnelKey = .sample(), wall: Int64 = 0) -> Caller {
        let caller = Caller(self, key)
        caller.ask(wall: wall)
        return caller
    }

    func nextPlace() -> Int {
        places += 1
        return places
    }

    /// The server's ends of connections, of all tunnels.
    var served: [Carried] { servers.flatMap(\.end.carried) }
}

/// Who waits for a tunnel, and what became of it.
final class Caller: TunnelWaiter {
    let key: TunnelKey
    private let bench: PoolBench
    private(set) var tunnel: TunnelConnection?
    private(set) var failure: ConnectionFailure?
    private(set) var answers = 0
    private(set) var connection: Carried?
    /// When it was answered, among all callers of the test.
    private(set) var place = 0
    /// What it does with a tunnel; opens a stream unless told otherwise.
    var onReady: ((TunnelConnection) -> Void)?
    var onFailure: () -> Void = {}

    init(_ bench: PoolBench, _ key: TunnelKey = .sample()) {
        self.bench = bench
        self.key = key
    }

    func ask(wall: Int64 = 0) { bench.pool.acquire(key, wallSeconds: wall, for: self) }

    func tunnelReady(_ tunnel: TunnelConnection) {
        answered()
        self.tunnel = tunnel
        if let onReady { onReady(tunnel) } else { connection = try? bench.client.call(tunnel) }
    }

    func tunnelUnavailable(_ failure: ConnectionFailure) {
        answered()
        self.failure = failure
        onFailure()
    }

    private func answered() {
        answers += 1
        place = bench.nextPlace()
    }
}

extension TunnelKey {
    /// From shop/web to shop/db, in whatever is named differently.
    static func sample(
        source: String = "web-1", namespace: UInt64 = 1, address: String = "10.0.0.1", remote: String = "10.0.0.5:15008",
        network: String = "", accepted: [String] = ["db"]
    ) -> TunnelKey {
        TunnelKey(
            source: source, sourceNamespace: NamespaceIdentity(device: 4, inode: namespace),
            sourceAddress: IPAddress(address) ?? .anyV4, remote: SocketAddress(remote) ?? SocketAddress(.anyV4, 0),
            network: network, accepted: accepted.compactMap { try? Identities.identity($0) })
    }
}
