// SPDX-License-Identifier: Apache-2.0

package import HTTP
package import Kernel
package import TLS

/// The bounds of an HTTP server that strangers may reach.
package struct HTTPServerBounds: Sendable {
    /// Connections at once, and of one address.
    package var connections = 8192
    package var connectionsPerAddress = 1024
    /// For TLS, from accepting to its end.
    package var handshakeTimeout = Interval.seconds(10)
    /// For a request's head and its body, from the first byte or from when the body was asked for.
    package var requestTimeout = Interval.seconds(30)
    /// For a connection on which nothing is under way.
    package var idleTimeout = Interval.seconds(300)
    /// How long a client may take nothing of what is sent to it.
    package var stallTimeout = Interval.seconds(60)
    /// How long an answer may take to begin.
    package var answerTimeout = Interval.seconds(60)
    /// How often an HTTP/2 client that says nothing is asked whether it is there; it has as long to answer.
    package var pingInterval = Interval.seconds(15)
    /// How often the times above are looked at.
    package var tick = Interval.seconds(1)
    /// Bytes of bodies that are held until they are whole or asked for, of all requests together, and of those of one address.
    package var bodies = 256 << 20
    package var bodiesPerAddress = 64 << 20
    /// Bytes of whole answers that wait until they are taken, of all clients and of those of one address. Larger than the largest list.
    package var answers = 1 << 30
    package var answersPerAddress = 256 << 20
    package var http1 = HTTP1Limits(headers: 64 << 10, body: 4 << 20)
    package var http2 = HTTP2Settings.service

    package init() {}
}

extension HTTP2Settings {
    /// For a service that strangers may reach. Windows are small, since a stream that nobody reads holds one; frames as small as they may be.
    package static var service: HTTP2Settings {
        var settings = HTTP2Settings(.server)
        settings.maxConcurrentStreams = 500
        settings.initialStreamWindow = 64 << 10
        settings.connectionWindow = 1 << 20
        settings.maxFrameSize = 16 << 10
        return settings
    }

    /// For a client of such a service.
    package static var serviceCaller: HTTP2Settings {
        var settings = HTTP2Settings(.client)
        settings.initialStreamWindow = 1 << 20
        settings.connectionWindow = 4 << 20
        settings.maxFrameSize = 16 << 10
        settings.maxHeaderListSize = 64 << 10
        return settings
    }
}

/// How a server's connections are secured.
package enum HTTPServerSecurity {
    /// Not at all: a Unix socket, or loopback.
    case plain
    /// By TLS, with the context that stands at the moment at which a connection comes.
    case tls(() -> TLSContext)
}
