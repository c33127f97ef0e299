// SPDX-License-Identifier: Apache-2.0

import HTTP

/// What a client sends to our end of a tunnel.
enum HTTP2ServerHarness {
    static func fuzz(_ bytes: [UInt8]) {
        let conversation = HTTP2Conversation(bytes, to: .server)
        conversation.hold {
            let end = HTTP2End(.server, conduct: conversation.conduct)
            end.session.refusesStreams = conversation.conduct == 0xff
            return end
        }
    }
}
