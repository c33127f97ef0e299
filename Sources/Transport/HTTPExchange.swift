// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import HTTP
package import TLS

/// Who is at the other end of a connection, as far as the transport can prove it.
package struct HTTPPeer: Sendable {
    /// A process at the other end of a Unix socket, as the kernel knows it.
    package struct Process: Hashable, Sendable {
        package let user: UInt32
        package let group: UInt32
        package let pid: Int32

        package init(user: UInt32, group: UInt32, pid: Int32) {
            self.user = user
            self.group = group
            self.pid = pid
        }
    }

    /// Where the connection comes from; nil for a Unix socket.
    package let address: SocketAddress?
    /// Nil for a TCP connection.
    package let process: Process?
    /// The certificates that the client proved to hold the key of and that chain to our roots, leaf first; empty if it showed none. What they entitle
    /// to is for the application to say.
    package let certificates: [Certificate]

    package init(address: SocketAddress? = nil, process: Process? = nil, certificates: [Certificate] = []) {
        self.address = address
        self.process = process
        self.certificates = certificates
    }
}

/// The head of a request, whichever version of HTTP it came by. A value.
package struct HTTPRequestHead: Sendable {
    package let method: String
    /// The path with its query, as received.
    package let target: String
    /// `host` or `:authority`; empty if there was none.
    package let authority: String
    package let headers: HTTPHeaders

    package init(method: String, target: String, authority: String, headers: HTTPHeaders) {
        self.method = method
        self.target = target
        self.authority = authority
        self.headers = headers
    }
}

/// Why a body didn't come whole.
package enum HTTPBodyFailure: Error, Hashable, Sendable {
    /// More bytes than the caller allowed.
    case tooLarge(limit: Int)
    /// The client took longer than the server's bounds allow.
    case timeout
    /// The client went away, or broke the protocol.
    case aborted
}

/// Who receives a body piece by piece.
package protocol HTTPBodySink: AnyObject {
    /// Bytes of the body. No more than a window's worth comes before `HTTPExchange.consumed` was called for what came.
    func bodyReceived(_ bytes: [UInt8])
    /// The body is complete.
    func bodyEnded()
}

/// One request and its answer, on the loop of its connection, over HTTP/1.1 or HTTP/2 alike. The connection owns it while it lasts; who answers may
/// keep it, and what is said to one that is gone has no effect.
///
///     head ─► (readBody | streamBody) ─► respond                       one whole answer
///                                     └► begin ─► send … ─► finish     an answer that goes on: watches, gRPC
package protocol HTTPExchange: AnyObject {
    var head: HTTPRequestHead { get }
    var peer: HTTPPeer { get }

    /// Collects the body, of `limit` bytes at most. Calls back once, perhaps before it returns.
    func readBody(limit: Int, _ done: @escaping (Result<[UInt8], HTTPBodyFailure>) -> Void)
    /// Has the body told as it comes.
    func streamBody(_ sink: any HTTPBodySink)
    /// So many bytes of what the sink was told are dealt with: the client may send as many more.
    func consumed(_ count: Int)

    /// A whole answer. Nothing may follow.
    func respond(_ response: HTTP1Response)
    /// Begins an answer whose length isn't known: HTTP/1.1 sends it in chunks.
    func begin(status: Int, headers: HTTPHeaders)
    /// More of the body. It is queued: who sends looks at `queued` and waits for `onDrained`.
    func send(_ bytes: [UInt8])
    /// Bytes that were sent here and that the client hasn't taken from us yet.
    var queued: Int { get }
    /// Called when `queued` fell to nothing after it had been more.
    var onDrained: (() -> Void)? { get set }
    /// The end of the body. Trailers go with HTTP/2 only.
    func finish(trailers: HTTPHeaders)
    /// Ends the exchange without an end that a client could take for success.
    func abort()
    /// Called once when the client went away or the exchange was aborted, whoever did it; not after an answer that was complete.
    var onGone: (() -> Void)? { get set }
}
