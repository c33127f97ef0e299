// SPDX-License-Identifier: Apache-2.0

/// Small programs in Python that play applications and foreign mesh ends; each tells what happened as lines of JSON.
package enum Peer {
    /// The distribution's interpreter, which has the distribution's HTTP/2 stack.
    package static let python = "/usr/bin/python3"

    private static let folder: String = {
        let parts = #filePath.split(separator: "/")
        return "/" + parts.dropLast(3).joined(separator: "/") + "/HostTests/Peers"
    }()

    package static func command(_ program: String, _ arguments: [String]) -> [String] {
        [python, "-B", "\(folder)/\(program).py"] + arguments
    }
}

extension PeerEvent {
    /// Of a client's `echo`: all came back unchanged, and then the end.
    package var echoed: Bool { bool("equal") && self["end"] == "fin" }
}

extension LabPlace {
    /// Starts a TCP server that listens before this returns.
    package func serve(_ mode: String, port: Int, _ options: String...) throws -> LabProcess {
        let process = try start(Peer.command("server", ["--mode", mode, "--port", "\(port)"] + options))
        try process.waitFor("\"listening\"")
        return process
    }

    /// Calls as a client to the end of it; the result that it tells.
    package func call(
        _ mode: String, _ address: String, port: Int, _ options: String..., seconds: Double = 20
    ) throws -> PeerEvent {
        let outcome = try run(Peer.command("client", [mode, address, "\(port)"] + options), seconds: seconds)
        guard let result = PeerEvent.all(in: outcome.out).last(where: { $0["event"] == "result" }) else {
            throw LabFailure(description: "client \(mode) \(address) \(port): \(outcome)")
        }
        return result
    }

    /// Starts a client that goes on until `finish`.
    package func startClient(_ mode: String, _ address: String, port: Int, _ options: String...) throws -> LabProcess {
        try start(Peer.command("client", [mode, address, "\(port)"] + options), holdsInput: true)
    }
}

extension LabProcess {
    /// Every event that a peer has told so far.
    package var events: [PeerEvent] { PeerEvent.all(in: out) }

    package func events(_ kind: String) -> [PeerEvent] { events.filter { $0["event"] == kind } }

    /// Polls until an event of a kind was told; the first.
    package func event(_ kind: String, seconds: Double = 2, where fits: (PeerEvent) -> Bool = { _ in true }) throws -> PeerEvent {
        var found: PeerEvent?
        try waitUntil("\(name) tells \(kind)", seconds: seconds, detail: { self.log.suffix(3000).description }) {
            found = events(kind).first(where: fits)
            return found != nil
        }
        guard let found else { throw LabFailure(description: "no \(kind)") }
        return found
    }

    /// Ends the standard input of `hold` or `steady` and returns what it tells.
    package func result(seconds: Double = 20) throws -> PeerEvent {
        endInput()
        guard wait(seconds: seconds) != nil, let result = events("result").last else {
            throw LabFailure(description: "\(name) told no result: \(log.suffix(3000))")
        }
        return result
    }
}
