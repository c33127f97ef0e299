// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// A blocking HTTP/1.1 client for one request over the daemon's Unix socket. For programs without a loop.
package enum AdminClient {
    /// The largest answer that is read: ten thousand connections are about 5 MB.
    static let limit = 64 << 20

    package static func send(_ request: AdminRequest) -> Result<AdminAnswer, AdminFailure> {
        do throws(AdminFailure) {
            return try read(exchange(request), to: request)
        } catch {
            return .failure(error)
        }
    }

    /// What the bytes of an answer mean.
    package static func read(_ bytes: [UInt8], to request: AdminRequest) -> Result<AdminAnswer, AdminFailure> {
        do throws(AdminFailure) {
            let response = try HTTPAnswer(bytes)
            let document = try read(response)
            guard (200...299).contains(response.status) else {
                let message = document["error"]?.stringValue ?? "warrend answered \(response.status) to \(request.target)"
                throw AdminFailure(message, remedy: document["remedy"]?.stringValue ?? "")
            }
            return .success(AdminAnswer(document))
        } catch {
            return .failure(error)
        }
    }

    private static func read(_ response: HTTPAnswer) throws(AdminFailure) -> Value {
        do throws(DocumentFailure) {
            var limits = DocumentLimits()
            limits.bytes = limit
            limits.nodes = 10_000_000
            return try JSON.read(response.body, limits: limits)
        } catch {
            if !(200...299).contains(response.status) { return .null }
            throw AdminFailure("warrend's answer is no JSON: \(error.message)", remedy: "Is another program at the socket?")
        }
    }

    /// Sends the request and reads until the daemon closes or the answer is whole.
    private static func exchange(_ request: AdminRequest) throws(AdminFailure) -> [UInt8] {
        do throws(Errno) {
            let socket = try UnixSocket.connect(path: request.socket)
            let epoll = try Epoll(capacity: 1)
            try epoll.add(socket.number, .read, word: 0)
            let deadline = Instant.now() + request.timeout
            try socket.writeAll(bytes(request))
            return try receive(socket, epoll, deadline: deadline)
        } catch {
            throw failure(error, request)
        }
    }

    private static func bytes(_ request: AdminRequest) -> [UInt8] {
        let body = request.body?.jsonBytes ?? []
        let type = request.body == nil ? "" : "content-type: application/json\r\n"
        let length = request.method == .get ? "" : "content-length: \(body.count)\r\n"
        let head =
            "\(request.method.rawValue) \(request.target) HTTP/1.1\r\nhost: warrend\r\n\(type)\(length)connection: close\r\n\r\n"
        return Array(head.utf8) + body
    }

    private static func receive(
        _ socket: borrowing Descriptor, _ epoll: borrowing Epoll, deadline: Instant
    ) throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while !HTTPAnswer.isWhole(bytes) {
            let left = deadline.since(Instant.now())
            guard left > .zero else { throw .timedOut }
            guard try epoll.wait(milliseconds: CInt(clamping: left.milliseconds + 1)) > 0 else { continue }
            guard case .moved(let count) = try socket.read(into: &chunk) else { break }
            bytes += chunk.prefix(count)
            guard bytes.count <= limit else { throw .fileTooLarge }
        }
        return bytes
    }

    private static func failure(_ failure: Errno, _ request: AdminRequest) -> AdminFailure {
        switch failure {
        case .noSuchFile:
            AdminFailure(
                "no warrend at \(request.socket): there is no such socket",
                remedy: "Start it (systemctl start warrend), or name its socket with --socket.", isUnreachable: true)
        case .connectionRefused:
            AdminFailure(
                "no warrend at \(request.socket): the socket is left over from one that ended",
                remedy: "Start it (systemctl start warrend).", isUnreachable: true)
        case .accessDenied, .notPermitted:
            AdminFailure(
                "\(request.socket) may not be used by this user", remedy: "Use sudo, or set admin.mode and the socket's group.",
                isUnreachable: true)
        case .timedOut:
            AdminFailure(
                "warrend didn't answer \(request.target) within \(request.timeout.milliseconds) ms",
                remedy: "Look at its log: journalctl -u warrend.", isUnreachable: true)
        default:
            AdminFailure("no answer from warrend at \(request.socket): \(failure)", isUnreachable: true)
        }
    }
}
