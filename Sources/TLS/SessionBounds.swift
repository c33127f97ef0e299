// SPDX-License-Identifier: Apache-2.0

/// What a session counts so that no peer makes it work or remember without end, and so that no key is used for too much.
struct SessionBounds {
    /// All that a peer may send before it is trusted: a hello, a list of certificates (32 KiB at most), a signature. Ours needs 2 KiB.
    static let handshake = 64 * 1024
    /// Messages after the handshake that need no data to justify them: tickets (two are usual) and renewals of keys.
    private static let freeMessages: UInt64 = 32
    /// One further such message per so much plaintext, as a power of two: 16 MiB. Who renews its keys by the book does so every 256 GiB.
    private static let bytesPerMessage: UInt64 = 24
    /// RFC 8446 §5.5: an AES-GCM key is good for 2^24.5 full records. We renew ours after 2^22, and OpenSSL 3.0 never would.
    static let recordsPerKey = 1 << 22
    static let record = 16 * 1024
    /// Header, content type and tag of a record of TLS 1.3 with AES-GCM.
    private static let recordOverhead = 5 + 1 + 16
    /// Room for a renewal of keys before the data.
    private static let slack = 64

    private var handshakeBytes = 0
    private var messages: UInt64 = 0
    private var recordsWithKey = 0
    private(set) var isExceeded = false

    /// OpenSSL took so many bytes before the handshake was complete.
    mutating func receivedInHandshake(_ count: Int) {
        handshakeBytes += count
        if handshakeBytes > Self.handshake { isExceeded = true }
    }

    /// A ticket or a renewal of keys came, when so much plaintext had been read.
    mutating func messageAfterHandshake(bytesRead: UInt64) {
        messages += 1
        if messages > Self.freeMessages + bytesRead >> Self.bytesPerMessage { isExceeded = true }
    }

    /// So many bytes are about to be encrypted. True when the key is to be renewed first.
    mutating func writing(_ count: Int, recordsPerKey: Int) -> Bool {
        let records = Self.records(for: count)
        recordsWithKey += records
        guard recordsWithKey > recordsPerKey else { return false }
        recordsWithKey = records
        return true
    }

    private static func records(for count: Int) -> Int { (count + record - 1) / record }

    /// How long so much plaintext is when it is encrypted, at most.
    static func ciphertext(of count: Int) -> Int { count + records(for: count) * recordOverhead + slack }
}
