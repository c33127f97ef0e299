// SPDX-License-Identifier: Apache-2.0

/// Where `produce` writes, and how far it got. Part of the session; the stage itself is the caller's and held during the call only.
@safe struct HTTP2Output {
    /// A TLS record's payload. Frames are cut so that header and payload end where a record does: the peer then has whole frames in
    /// whole records, and no record of nine bytes (measured: 7.0 against 9.4 Gbit/s).
    static let record = 16384
    /// The header of a frame (RFC 9113 §4.1).
    static let frameHeader = 9
    /// Less than this at the end of the stage, or up to the next record boundary, isn't worth a frame of its own.
    static let leastPayload = 1024

    /// The caller's scratch; nil outside `produce`.
    var stage: UnsafeMutableRawBufferPointer?
    /// How many bytes of the stage are written.
    var position = 0
    /// How many bytes this call gave so far, and may give.
    var produced = 0
    var budget = 0
    /// The library was told to pause: its "nothing more" means nothing.
    var isPaused = false

    var room: Int { unsafe (stage?.count ?? 0) - position }

    /// No DATA frame begins here any more: the stage is to be handed on first.
    var isFull: Bool { room < Self.frameHeader + Self.leastPayload }

    /// How much a DATA frame that begins at `position` of a stage should carry: up to the last record boundary that it can reach, or as
    /// much as is allowed where none is near.
    static func payload(position: Int, stage: Int, frameLimit: Int, window: Int) -> Int {
        let most = min(stage - position - frameHeader, frameLimit, window)
        let aligned = (position + frameHeader + most) / record * record - position - frameHeader
        return aligned >= leastPayload ? aligned : most
    }
}

/// Where finished output goes: encryption, in a tunnel.
package protocol HTTP2Sink {
    /// Takes all of these bytes, which are live during the call only. False when no more should come now: the backlog behind is high.
    mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool
}

/// How a call of `produce` ended.
package enum HTTP2Production: Sendable {
    /// Everything that can be sent is with the sink.
    case idle
    /// The budget is used up: call again after the other connections had their turn.
    case more
    /// The sink wants no more: call again when its backlog is gone.
    case blocked
}
