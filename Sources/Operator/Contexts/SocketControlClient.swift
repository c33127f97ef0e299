// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel

/// The way to the control plane of this host: HTTP/1.1 over its Unix socket, a connection for each request. Blocking: for programs without a loop.
struct SocketControlClient: ControlClient {
    private let path: String
    private let token: String?
    private let bounds: Bounds

    /// How long and how much.
    struct Bounds {
        /// Without a byte in either direction.
        var idle = Interval.seconds(30)
        /// The whole of an answer that ends.
        var whole = Interval.seconds(300)
        /// The largest answer, and the largest line of one without end.
        var answer = 256 << 20
        var line = 16 << 20
    }

    init(path: String, token: String?, bounds: Bounds = Bounds()) {
        self.path = path
        self.token = token
        self.bounds = bounds
    }

    func send(_ request: ControlRequest) throws(ControlFailure) -> ControlAnswer {
        var body: [UInt8] = []
        let (status, warnings) = try exchange(request, isEndless: false) { _, piece throws(ControlFailure) in
            body += piece
            guard body.count <= bounds.answer else { throw Self.tooLarge }
            return true
        }
        return ControlAnswer(status: status, body: body, warnings: warnings)
    }

    func follow(_ request: ControlRequest, _ take: ([UInt8]) -> Bool) throws(ControlFailure) -> ControlAnswer? {
        var rest: [UInt8] = []
        let (status, _) = try exchange(request, isEndless: true) { status, piece throws(ControlFailure) in
            rest += piece
            guard rest.count <= bounds.line else { throw Self.tooLarge }
            guard status == 200 else { return true }
            var start = 0
            while let end = rest[start...].firstIndex(of: 0x0a) {
                if end > start, !take(Array(rest[start..<end])) { return false }
                start = end + 1
            }
            rest.removeFirst(start)
            return true
        }
        return status == 200 ? nil : ControlAnswer(status: status, body: rest)
    }

    private static let tooLarge = ControlFailure(
        "the control plane's answer is too large", remedy: "Ask for less: one namespace, or with a selector.")

    // MARK: - One exchange

    /// Sends the request and gives the body to `take` as it comes, until that says false; returns the status and what the server warned of. An
    /// endless answer may be silent as long as it likes once it has begun.
    private func exchange(
        _ request: ControlRequest, isEndless: Bool, _ take: (_ status: Int, _ piece: [UInt8]) throws(ControlFailure) -> Bool
    ) throws(ControlFailure) -> (status: Int, warnings: [String]) {
        let socket = try system { () throws(Errno) in try UnixSocket.connect(path: path) }
        let epoll = try system { () throws(Errno) in try Epoll(capacity: 1) }
        let deadline = Instant.now() + bounds.whole
        try write(head(request) + request.body, to: socket, epoll)
        var reader = ControlAnswerReader()
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while !reader.isWhole {
            let mayBeSilent = isEndless && reader.status == 200
            try wait(.read, socket, epoll, isBounded: !mayBeSilent)
            if !mayBeSilent, Instant.now() > deadline { throw late }
            let transfer = try system { () throws(Errno) in try socket.read(into: &chunk) }
            if case .moved(let count) = transfer { try reader.feed(chunk[..<count]) } else { try reader.end() }
            if let status = reader.status, try !take(status, reader.takeBody()) { return (status, reader.warnings) }
        }
        return (reader.status ?? 0, reader.warnings)
    }

    private func head(_ request: ControlRequest) -> [UInt8] {
        var lines = [
            "\(request.method.rawValue) \(request.target) HTTP/1.1", "host: warren-control",
            "user-agent: warren/\(warrenVersion)",
            "accept: \(request.accept)", "connection: close",
        ]
        if let token { lines.append("authorization: Bearer \(token)") }
        if let type = request.contentType { lines.append("content-type: \(type)") }
        if request.contentType != nil || request.method != .get { lines.append("content-length: \(request.body.count)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// In pieces that a writable Unix socket takes whole, so that a server that doesn't read can't hold us.
    private func write(_ bytes: [UInt8], to socket: borrowing Descriptor, _ epoll: borrowing Epoll) throws(ControlFailure) {
        var rest = bytes[...]
        try system { () throws(Errno) in try epoll.add(socket.number, .write, word: 0) }
        while !rest.isEmpty {
            try wait(.write, socket, epoll, isBounded: true)
            let piece = Array(rest.prefix(16 * 1024))
            try system { () throws(Errno) in
                // A server that answers early and closes has still answered.
                do throws(Errno) { try socket.writeAll(piece) } catch { if error != .pipe { throw error } }
            }
            rest = rest.dropFirst(piece.count)
        }
        try system { () throws(Errno) in try epoll.change(socket.number, .read, word: 0) }
    }

    private func wait(
        _ readiness: Readiness, _ socket: borrowing Descriptor, _ epoll: borrowing Epoll, isBounded: Bool
    ) throws(ControlFailure) {
        let deadline = Instant.now() + bounds.idle
        while true {
            let left = deadline.since(Instant.now())
            guard !isBounded || left > .zero else { throw late }
            let milliseconds = isBounded ? CInt(clamping: left.milliseconds + 1) : -1
            if try system({ () throws(Errno) in try epoll.wait(milliseconds: milliseconds) }) > 0 { return }
        }
    }

    // MARK: - Failures

    private var late: ControlFailure {
        ControlFailure(
            "the control plane at \(path) doesn't answer", remedy: "Look at its log: journalctl -u warren-control.",
            isUnreachable: true)
    }

    private func system<Result: ~Copyable>(_ body: () throws(Errno) -> Result) throws(ControlFailure) -> Result {
        do throws(Errno) { return try body() } catch { throw failure(error) }
    }

    private func failure(_ failure: Errno) -> ControlFailure {
        let start = "Start it (systemctl start warren-control), or name another with --server or `warren context use`."
        return switch failure {
        case .noSuchFile:
            ControlFailure("no control plane at \(path): there is no such socket", remedy: start, isUnreachable: true)
        case .connectionRefused:
            ControlFailure(
                "no control plane at \(path): the socket is left over from one that ended", remedy: start, isUnreachable: true)
        case .accessDenied, .notPermitted:
            ControlFailure(
                "\(path) may not be used by this user", remedy: "Use sudo, or a context with a token: `warren context set`.",
                isUnreachable: true)
        default: ControlFailure("no answer from the control plane at \(path): \(failure)", isUnreachable: true)
        }
    }
}
