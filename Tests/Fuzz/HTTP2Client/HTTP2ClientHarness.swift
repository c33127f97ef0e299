// SPDX-License-Identifier: Apache-2.0

import HTTP

/// What a server sends to our end of a tunnel: on a connection where we opened two tunnels and asked two questions.
enum HTTP2ClientHarness {
    static func fuzz(_ bytes: [UInt8]) {
        let conversation = HTTP2Conversation(bytes, to: .client)
        conversation.hold {
            let end = HTTP2End(.client, conduct: conversation.conduct)
            let tunnel = HTTP2RequestHead(method: "CONNECT", authority: "10.0.0.1:80", headers: ["baggage": "a=b"])
            end.open(tunnel, left: 20_000)
            end.open(HTTP2RequestHead(method: "GET", authority: "a", scheme: "http", path: "/"), left: 0)
            // The rest is queued while the first are on their way.
            end.produce()
            end.open(tunnel, left: 1)
            end.open(HTTP2RequestHead(method: "POST", authority: "a", scheme: "http", path: "/"), left: 100)
            return end
        }
    }
}
