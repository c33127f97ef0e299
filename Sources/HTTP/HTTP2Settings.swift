// SPDX-License-Identifier: Apache-2.0

/// Which end of the connection a session is.
package enum HTTP2Role: Sendable {
    case client
    case server
}

/// What a session announces to its peer, and what it bears from it. The defaults are those of an HBONE end.
package struct HTTP2Settings: Sendable {
    /// How many streams the peer may have open at once. ztunnel announces the same 200; a busy pair opens further tunnels. Servers
    /// only: a client opens all streams itself.
    package var maxConcurrentStreams: UInt32 = 200

    /// How many bytes a peer may send on a new stream before we return credit. Small, because this times the number of streams is
    /// what a stalled application can make us hold; streams that drain are grown by their owner (measured with one stream: 64 KiB
    /// 3.6 Gbit/s, 256 KiB 6.0, 4 MiB 11.3).
    package var initialStreamWindow: UInt32 = 256 << 10

    /// How many bytes a peer may have under way on the whole connection. Credit is returned on receipt, so this bounds no memory;
    /// four times the largest stream window keeps one unread stream from stalling the others (ztunnel's figure).
    package var connectionWindow: UInt32 = 16 << 20

    /// The largest frame that we take. DATA is handed on as it arrives and never gathered, so large frames cost nothing and save
    /// headers (ztunnel's figure).
    package var maxFrameSize: UInt32 = 1 << 20

    /// The largest header list that we take, counted as RFC 9113 §6.5.2 does. A CONNECT of a mesh has about 600 bytes.
    package var maxHeaderListSize: UInt32

    /// How many fields a header list may have: room for the 200 that ztunnel was seen to take.
    package var maxHeaderCount = 256

    /// How much misbehaviour costs the peer its connection.
    package var limits = HTTP2Limits()

    /// The defaults of a role: 64 KiB of header list as server, 16 KiB as client, where only a status and baggage come back
    /// (ztunnel's figures).
    package init(_ role: HTTP2Role) {
        switch role {
        case .client: maxHeaderListSize = 16 << 10
        case .server: maxHeaderListSize = 64 << 10
        }
    }
}
