// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
import Kernel
import Support

/// A `warren-control` on loopback, with its state in a folder of its own, that can be ended and begun again.
final class ControlBench {
    let folder: String
    let port: UInt16
    private let metricsPort: UInt16
    private var process: RunningCommand?
    private(set) var token = ""

    /// - Parameter settings: more of its configuration.
    init(_ settings: String = "") throws {
        folder = try Files.makeTemporaryFolder()
        (port, metricsPort) = (try Self.freePort(), try Self.freePort())
        try Files.write(
            "directory: \(folder)/state\nsocket: \(folder)/control.sock\nport: \(port)\nmetrics: {port: \(metricsPort)}\n"
                + settings,
            to: "\(folder)/control.yaml")
        try start()
        token = try makeToken()
        let roots = try run(
            ["curl", "-sS", "--unix-socket", "\(folder)/control.sock", "http://localhost/warren/v1/roots"])
        guard let event = PeerEvent(roots[...]), let pem = event["roots"] else { throw LabFailure(description: roots) }
        try Files.write(pem, to: "\(folder)/root.pem")
    }

    deinit {
        process?.signal(SIGKILL)
        _ = process?.wait(seconds: 5)
        Files.remove(folder)
    }

    private static func freePort() throws -> UInt16 {
        let listener = try LoopbackListener()
        return listener.address.port
    }

    var metrics: String { "http://127.0.0.1:\(metricsPort)/metrics" }
    var server: String { "https://127.0.0.1:\(port)" }
    /// What the process has in memory.
    var residentKilobytes: Int {
        guard let pid = process?.pid, let text = try? Files.text("/proc/\(pid)/status") else { return 0 }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return Int(line.filter(\.isNumber)) ?? 0
    }

    var log: String { process?.err ?? "" }

    func start() throws {
        let process = try RunningCommand([try Programs.path("warren-control"), "--config", "\(folder)/control.yaml"])
        self.process = process
        let end = Moment.now() + 20
        while try !run(["curl", "-s", "http://127.0.0.1:\(metricsPort)/healthz/ready"], mustSucceed: false).hasPrefix("ready") {
            guard process.status == nil, Moment.now() < end else {
                throw LabFailure(description: "warren-control isn't ready: \(process.err)")
            }
            usleep(20_000)
        }
    }

    /// Ends it by this signal and waits for that.
    func stop(_ signal: CInt) throws {
        process?.signal(signal)
        guard process?.wait(seconds: 10) != nil else { throw LabFailure(description: "warren-control doesn't end") }
        process = nil
    }

    private func makeToken() throws -> String {
        let answer = try run([
            "curl", "-sS", "--unix-socket", "\(folder)/control.sock", "-H", "content-type: application/json", "-d",
            #"{"kind":"bearer","role":"admin","ttl":"1h"}"#, "http://localhost/warren/v1/tokens",
        ])
        guard let token = PeerEvent(answer[...])?["token"] else { throw LabFailure(description: answer) }
        return token
    }

    /// What a command says on its standard output; it may take 30 s.
    @discardableResult
    func run(_ arguments: [String], input: String? = nil, mustSucceed: Bool = true) throws -> String {
        let outcome = try outcome(arguments, input: input)
        guard outcome.succeeded || !mustSucceed else { throw LabFailure(description: "\(arguments): \(outcome)") }
        return outcome.out
    }

    func outcome(_ arguments: [String], input: String? = nil) throws -> Outcome {
        try RunningCommand.run(arguments, environment: ["HOME": folder], input: input, seconds: 30)
    }

    /// A request of the API over its Unix socket, as root: status and body.
    func request(
        _ method: String, _ path: String, type: String = "application/json", body: String? = nil, headers: [String] = []
    ) throws -> (status: Int, body: String) {
        var arguments = ["curl", "-sS", "--max-time", "20", "--unix-socket", "\(folder)/control.sock", "-X", method]
        for header in headers { arguments += ["-H", header] }
        if body != nil { arguments += ["-H", "content-type: \(type)", "--data-binary", "@-"] }
        arguments += ["-w", "\n%{http_code}", "http://localhost\(path)"]
        let out = try run(arguments, input: body, mustSucceed: false)
        let lines = out.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(lines.last ?? "") ?? 0, lines.dropLast().joined(separator: "\n"))
    }
}
