// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import HTTP
internal import Kernel
internal import Loop
internal import TLS
internal import Transport

extension Session {
    /// The way to a control plane.
    package static func client(_ endpoint: ControlEndpoint) throws(ControlFailure) -> any ControlClient {
        switch endpoint.place {
        case .socket(let path): SocketControlClient(path: path, token: endpoint.token)
        case .network(let host, let port): try ServiceControlClient(endpoint, host: host, port: port)
        }
    }
}

/// The way to a control plane over the network: HTTP/2 over TLS, one connection for all requests of the run. Turns a loop of its own while it waits.
final class ServiceControlClient: ControlClient {
    private let context: TLSContext
    private let host: String
    private let port: UInt16
    private let token: String?
    private let loop: Loop
    private var connection: ServiceConnection?

    /// The largest answer, and the largest line of one without end.
    private static let answerLimit = 256 << 20
    private static let lineLimit = 16 << 20
    /// A list of everything in the largest mesh, over a slow line.
    private static let timeout = Interval.seconds(300)

    init(_ endpoint: ControlEndpoint, host: String, port: UInt16) throws(ControlFailure) {
        (self.host, self.port, token) = (host, port, endpoint.token)
        do throws(CertificateFailure) {
            context = try Self.context(endpoint, host)
        } catch {
            throw ControlFailure(
                "the connection to \(host) can't be secured: \(error)", remedy: "Look at the context's certificates.")
        }
        do throws(Errno) {
            loop = try Loop()
        } catch {
            throw ControlFailure("no event loop can be made: \(error)")
        }
    }

    private static func context(_ endpoint: ControlEndpoint, _ host: String) throws(CertificateFailure) -> TLSContext {
        var shown: ShownCertificates?
        if !endpoint.key.isEmpty {
            shown = try ShownCertificates(key: PrivateKey(pem: endpoint.key), chain: Certificate.chain(pem: endpoint.certificate))
        }
        let roots: [Certificate]
        let check: ServiceCheck
        switch endpoint.trust {
        case .roots(let pem, let name): (roots, check) = (try Certificate.roots(pem: pem), .host(name))
        case .identity(let pem, let uri):
            guard let identity = SPIFFEID(uri) else { throw .identity("\(uri) is no identity") }
            (roots, check) = (try Certificate.roots(pem: pem), .identity(identity))
        case .fingerprint(let digits):
            guard let fingerprint = Fingerprint(hexadecimal: digits) else { throw .malformed("a fingerprint") }
            (roots, check) = ([], .root(fingerprint))
        case nil: throw .missing("root certificate")
        }
        return try TLSContext(caller: shown, roots: roots, check: check, protocols: ["h2"])
    }

    // MARK: - Requests

    func send(_ request: ControlRequest) throws(ControlFailure) -> ControlAnswer {
        let wasKept = connection != nil
        do throws(ControlFailure) {
            return try sendOnce(request)
        } catch {
            // A connection that rested may have been given up by the other side; what only reads may be asked again.
            guard wasKept, error.isUnreachable, request.method == .get else { throw error }
            drop()
            return try sendOnce(request)
        }
    }

    private func sendOnce(_ request: ControlRequest) throws(ControlFailure) -> ControlAnswer {
        let connection = try open()
        var answer: ServiceRequest.Answer?
        ServiceRequest(
            on: connection, method: request.method.rawValue, path: request.target, headers: headers(request), body: request.body,
            limit: Self.answerLimit, timeout: Self.timeout
        ) { answer = $0 }
        while true {
            switch answer {
            case .success(let response):
                return ControlAnswer(status: response.status, body: response.body, warnings: response.headers.values("warning"))
            case .failure(let failure): throw self.failure(failure)
            case nil: loop.turn(wait: nil)
            }
        }
    }

    func follow(_ request: ControlRequest, _ take: ([UInt8]) -> Bool) throws(ControlFailure) -> ControlAnswer? {
        let connection = try open()
        let lines = LineReader(limit: Self.lineLimit)
        let call = ServiceCall(
            connection, method: request.method.rawValue, path: request.target, headers: headers(request), body: request.body,
            caller: lines)
        call.begin()
        while true {
            for line in lines.takeLines() where !take(line) {
                call.cancel()
                return nil
            }
            switch lines.end {
            case .ended: return lines.status == 200 ? nil : ControlAnswer(status: lines.status, body: lines.rest)
            case .failed(let failure): throw self.failure(failure)
            case nil: loop.turn(wait: nil)
            }
        }
    }

    private func headers(_ request: ControlRequest) -> HTTPHeaders {
        var headers: HTTPHeaders = ["accept": request.accept, "user-agent": "warren/\(warrenVersion)"]
        if let token { headers.append("authorization", "Bearer \(token)") }
        if let type = request.contentType { headers.append("content-type", type) }
        return headers
    }

    // MARK: - The connection

    private func drop() {
        connection?.close()
        connection = nil
    }

    /// The connection that there is, or one to the first of the host's addresses that answers.
    private func open() throws(ControlFailure) -> ServiceConnection {
        if let connection, !connection.isLeaving { return connection }
        drop()
        var last = ControlFailure("\(host) has no address", isUnreachable: true)
        for address in try addresses() {
            do throws(ControlFailure) {
                return try connect(to: SocketAddress(address, port))
            } catch {
                last = error
            }
        }
        throw last
    }

    private func addresses() throws(ControlFailure) -> [IPAddress] {
        if let address = IPAddress(host) { return [address] }
        switch NameLookup.addresses(of: host) {
        case .success(let addresses): return addresses
        case .failure(let failure):
            throw ControlFailure(
                "\(host) isn't found: \(failure.reason)", remedy: "Look at the context's server.", isUnreachable: true)
        }
    }

    private func connect(to address: SocketAddress) throws(ControlFailure) -> ServiceConnection {
        let connection = ServiceConnection(loop: loop, to: .address(address), tls: context)
        var outcome: Result<Void, ServiceFailure>?
        connection.onReady = { outcome = .success(()) }
        connection.onLost = { [weak self] in
            outcome = outcome ?? .failure($0)
            self?.connection = nil
        }
        while true {
            switch outcome {
            case .success:
                self.connection = connection
                return connection
            case .failure(let failure): throw self.failure(failure)
            case nil: loop.turn(wait: nil)
            }
        }
    }

    private func failure(_ failure: ServiceFailure) -> ControlFailure {
        switch failure.kind {
        case .unreachable, .timeout, .lost:
            ControlFailure(
                "the control plane doesn't answer: \(failure)", remedy: "Look whether it runs, and at the context's server.",
                isUnreachable: true)
        case .refused:
            ControlFailure(
                "\(failure)",
                remedy: "Look at the roots or the fingerprint that the context or the token names, and at the address.")
        case .tooLarge: ControlFailure("\(failure)", remedy: "Ask for less: one namespace, or with a selector.")
        }
    }
}

/// Gathers the lines of an answer as it comes. On the client's loop; it lives for one call.
private final class LineReader: ServiceCaller {
    enum End {
        case ended
        case failed(ServiceFailure)
    }

    private let limit: Int
    private(set) var status = 0
    private(set) var rest: [UInt8] = []
    private(set) var end: End?

    init(limit: Int) { self.limit = limit }

    /// The whole lines that have come; of another answer than 200 there are none.
    func takeLines() -> [[UInt8]] {
        guard status == 200, let last = rest.lastIndex(of: 0x0a) else { return [] }
        let lines = rest[...last].split(separator: 0x0a).map { Array($0) }
        rest.removeFirst(last + 1)
        return lines
    }

    func answered(_ call: ServiceCall, status: Int, headers: HTTPHeaders) { self.status = status }

    func received(_ call: ServiceCall, _ bytes: [UInt8]) {
        call.consumed(bytes.count)
        rest += bytes
        guard rest.count > limit else { return }
        call.cancel()
        end = .failed(ServiceFailure(.tooLarge, "the control plane sent a line of more than \(limit) bytes"))
    }

    func ended(_ call: ServiceCall, trailers: HTTPHeaders) { end = .ended }
    func failed(_ call: ServiceCall, _ failure: ServiceFailure) { end = .failed(failure) }
}
