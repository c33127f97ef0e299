// SPDX-License-Identifier: Apache-2.0

import TLS
import Telemetry
import Testing
import Tunnel

@testable import NodeProxy

/// What metrics and the access log make of a failure.
@Suite struct FailureWordsTests {
    @Test(arguments: [
        (ConnectionFailure.Kind.denied, "DENY"), (.noRoute, "NO_ENDPOINT"), (.connect, "CONNECT"), (.tls, "TLS_FAILURE"),
        (.identity, "IDENTITY_ERROR"), (.http2, "H2_HANDSHAKE_FAILURE"), (.limit, "LIMIT"), (.timeout, "TIMEOUT"),
        (.reset, "RESET"),
        (.notTaken, "RESET"), (.tunnelLost, "RESET"), (.shutdown, "SHUTDOWN"),
    ]) func `each kind of failure has its flag`(_ kind: ConnectionFailure.Kind, _ word: String) {
        #expect(ResponseFlag(ConnectionFailure(kind, "why")).word == word)
    }

    @Test(arguments: [
        (401, "DENY"), (403, "DENY"), (503, "CONNECT"), (400, "BAD_REQUEST"), (405, "BAD_REQUEST"), (200, "H2_HANDSHAKE_FAILURE"),
        (500, "H2_HANDSHAKE_FAILURE"), (302, "H2_HANDSHAKE_FAILURE"),
    ]) func `a refusal of the other side has the flag of its status`(_ status: Int, _ word: String) {
        #expect(ResponseFlag(ConnectionFailure(.refused, "why", status: status)).word == word)
    }

    @Test func `a CONNECT that can't be meant is a bad request, not a missing endpoint`() {
        for status in [400, 405] {
            #expect(ResponseFlag(ConnectionFailure(.noRoute, "why", status: status)) == .badRequest)
        }
    }

    @Test func `every kind of failure has a flag, and only an end without one has none`() {
        for kind in ConnectionFailure.Kind.allCases { #expect(ResponseFlag(ConnectionFailure(kind, "why")) != .none) }
    }

    /// One for each reason that TLS gives, as far as it can happen in a handshake.
    @Test(arguments: [
        ("certificate_expired", "expired"), ("certificate_not_yet_valid", "not_yet_valid"), ("issuer_not_valid", "untrusted"),
        ("unknown_authority", "untrusted"), ("invalid_chain", "untrusted"), ("wrong_signature", "untrusted"),
        ("certificate_is_authority", "bad_usage"), ("wrong_key_usage", "bad_usage"), ("wrong_purpose", "bad_usage"),
        ("no_identity", "bad_identity"), ("several_identities", "bad_identity"), ("malformed_identity", "bad_identity"),
        ("foreign_trust_domain", "wrong_trust_domain"), ("unexpected_identity", "unexpected_identity"),
        ("no_expected_identity", "unexpected_identity"), ("no_certificate", "no_certificate"), ("not_tls", "plaintext"),
        ("protocol_version", "protocol_version"), ("no_application_protocol", "no_application_protocol"), ("alert", "alert"),
        ("closed_in_handshake", "closed"), ("truncated", "closed"), ("no_common_algorithm", "other"),
        ("protocol_violation", "other"),
        ("bad_record", "other"), ("too_much", "other"), ("other", "other"), ("a reason of tomorrow", "other"),
    ]) func `a failed handshake is counted by its reason`(_ reason: String, _ word: String) {
        for kind in [ConnectionFailure.Kind.tls, .identity] {
            #expect(HandshakeResult(ConnectionFailure(kind, "why", handshake: reason)).word == word)
        }
    }

    @Test func `the reasons of TLS are those that are counted here`() {
        // Words are the contract between the two modules: a renamed one would be counted as other.
        let identity = ["certificate_expired", "unknown_authority", "no_certificate", "unexpected_identity"]
        #expect(TLSFailure.certificateExpired(name: "", ago: 1).reason == identity[0])
        #expect(TLSFailure.unknownAuthority(name: "", issuer: "").reason == identity[1])
        #expect(TLSFailure.noCertificate.reason == identity[2])
        #expect(TLSFailure.noExpectedIdentity.reason == "no_expected_identity")
        #expect(TLSFailure.notTLS(what: "").reason == "not_tls")
        #expect(TLSFailure.noApplicationProtocol.reason == "no_application_protocol")
        #expect(TLSFailure.protocolVersion.reason == "protocol_version")
        #expect(TLSFailure.closedInHandshake.reason == "closed_in_handshake")
        #expect(TLSFailure.truncated.reason == "truncated")
    }

    @Test func `a handshake that failed otherwise is counted by its kind`() {
        #expect(HandshakeResult(nil) == .ok)
        #expect(HandshakeResult(ConnectionFailure(.timeout, "")) == .timeout)
        #expect(HandshakeResult(ConnectionFailure(.http2, "")) == .preface)
        #expect(HandshakeResult(ConnectionFailure(.tunnelLost, "")) == .closed)
        #expect(HandshakeResult(ConnectionFailure(.tls, "")) == .other)
        for kind in ConnectionFailure.Kind.allCases { #expect(HandshakeResult(ConnectionFailure(kind, "")) != .ok) }
    }

    @Test func `the end of a tunnel is counted by why it ended`() {
        #expect(TunnelEnd(nil) == .peer)
        #expect(TunnelEnd(ConnectionFailure(.http2, "")) == .protocolError)
        #expect(TunnelEnd(ConnectionFailure(.shutdown, "")) == .drained)
        #expect(TunnelEnd(ConnectionFailure(.tunnelLost, "")) == .lost)
        #expect(TunnelEnd(ConnectionFailure(.timeout, "")) == .ping)
    }
}
