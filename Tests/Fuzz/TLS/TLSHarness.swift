// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import TLS

/// TLS sessions: bytes at either end that are none of TLS, real handshakes with some bytes changed on the way, and clients whose certificate is
/// made from the input. Whoever is taken for somebody has proved it, and what arrives is what was sent, or the beginning of it with a failure.
enum TLSHarness {
    static func fuzz(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        switch input.choice(5) {
        case 0: garbage(makeServer(), &input)
        case 1: garbage(makeClient(), &input)
        case 2: forged(&input)
        default: changed(&input)
        }
    }

    private static var papers: TLSPapers { .shared }

    private static func makeServer() -> TLSEnd { TLSEnd(TLSSession(accepting: papers.server, now: TLSPapers.now)) }

    private static func makeClient() -> TLSEnd {
        TLSEnd(TLSSession(connecting: papers.client, expecting: [papers.serverIdentity], now: TLSPapers.now))
    }

    /// Bytes as they are: they prove nothing.
    private static func garbage(_ end: TLSEnd, _ input: inout FuzzInput) {
        let pattern = input.byte()
        end.proceed()
        for piece in Pieces(bytes: Array(input.rest), pattern: pattern) { end.receive(piece) }
        invariant(end.peer == nil, "bytes of nobody are a peer")
        invariant(end.session.inputEnded() != nil, "a handshake that was cut off is no failure")
        invariant(end.takeOutput().count < 8192, "much is said to somebody who is nobody")
    }

    /// Two good ends with somebody between them.
    private static func changed(_ input: inout FuzzInput) {
        let (pattern, amount) = (input.byte(), input.word() % 20_000)
        var up = ChangedWire(&input)
        var down = ChangedWire(&input)
        let (client, server) = (makeClient(), makeServer())
        let (question, answer) = (Array(text[..<amount]), Array(text[amount / 2..<amount]))
        var (asked, answered) = (false, false)
        client.proceed()
        for _ in 0..<64 {
            let (there, back) = (up.carry(client.takeOutput()), down.carry(server.takeOutput()))
            if there.isEmpty, back.isEmpty { break }
            carry(there, to: server, pattern: pattern)
            carry(back, to: client, pattern: pattern)
            if client.peer != nil, !asked {
                asked = true
                client.write(question)
            }
            if server.peer != nil, !answered {
                answered = true
                server.write(answer)
                server.session.shutdown()
            }
        }
        check(client, papers.serverIdentity, answer, closes: true)
        check(server, papers.clientIdentity, question, closes: false)
        if up.isClean, down.isClean {
            invariant(client.isClosed && client.received == answer, "an answer was lost: \(client.failure as Any)")
            invariant(server.received == question && server.failure == nil, "a question was lost: \(server.failure as Any)")
        }
    }

    /// In small pieces as far as a handshake goes, then in larger ones: ten thousand pieces of a transfer show no more than a hundred.
    private static func carry(_ bytes: [UInt8], to end: TLSEnd, pattern: UInt8) {
        let small = 3000
        for piece in Pieces(bytes: Array(bytes.prefix(small)), pattern: pattern) { end.receive(piece) }
        var rest = bytes.dropFirst(small)
        while !rest.isEmpty {
            end.receive(rest.prefix(1000 + Int(pattern)))
            rest = rest.dropFirst(1000 + Int(pattern))
        }
    }

    private static func check(_ end: TLSEnd, _ peer: SPIFFEID, _ sent: [UInt8], closes: Bool) {
        if let proved = end.peer { invariant(proved.identity == peer, "\(proved.identity) was taken for \(peer)") }
        invariant(sent.starts(with: end.received), "other bytes arrived than were sent")
        guard end.isClosed else { return }
        invariant(closes && end.received == sent, "I12: an end that nobody sent")
    }

    private static func forged(_ input: inout FuzzInput) {
        guard let certificate = ForgedCertificate(&input) else { return }
        let server = makeServer()
        let client = ForgedClient(certificate)
        for _ in 0..<16 {
            let there = client.takeOutput()
            server.receive(there[...])
            let back = server.takeOutput()
            if there.isEmpty, back.isEmpty { break }
            client.receive(back)
        }
        guard let peer = server.peer else { return }
        invariant(certificate.isSignedByAuthority, "a certificate that nobody signed")
        invariant(!certificate.claimsAuthority, "an authority was taken for a workload")
        invariant(
            certificate.uriNames == [Array(peer.identity.description.utf8)],
            "taken for \(peer.identity), with the names \(certificate.uriNames as Any)")
    }

    /// What both say the beginning or a part of: longer than a record.
    private static let text: [UInt8] = {
        var numbers = SplitMix(seed: 1)
        return (0..<20_000).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
    }()
}
