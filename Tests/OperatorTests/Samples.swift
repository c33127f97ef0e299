// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Support

@testable import Operator

/// Runs commands with a console that collects and a daemon of canned answers.
final class Desk {
    private(set) var output = ""
    private(set) var errors = ""
    private(set) var requests: [AdminRequest] = []
    /// What the daemon answers, by target; what isn't here is unreachable.
    var answers: [String: Value] = [:]
    var failures: [String: AdminFailure] = [:]
    var now = WallTime(seconds: 1_800_000_000)
    /// How often `--watch` goes on.
    var pictures = 1
    var beforePause: (Int) -> Void = { _ in }
    private(set) var pauses: [Interval] = []
    /// The control plane behind every address.
    let plane = FakePlane()
    private(set) var endpoints: [ControlEndpoint] = []
    var environment: [String: String] = [:]
    var places = HostPlaces()
    /// Programs that were run, each with its arguments.
    private(set) var programs: [[String]] = []
    /// What running a program does.
    var execute: ([String]) -> ProcessEnd? = { _ in .exited(0) }
    private let isTerminal: Bool
    private let hasColours: Bool

    init(isTerminal: Bool = false, hasColours: Bool = false) {
        self.isTerminal = isTerminal
        self.hasColours = hasColours
    }

    var session: Session {
        let console = Console(
            isTerminal: isTerminal, hasColours: hasColours, output: { [self] in output += $0 }, errors: { [self] in errors += $0 }
        )
        return Session(
            console: console, ask: { [self] in answer($0) }, now: { [self] in now }, pause: { [self] in pause($0) },
            connect: { [self] in
                endpoints.append($0)
                return plane
            },
            environment: { [self] in environment[$0] },
            execute: { [self] in
                programs.append([$0] + $1)
                return execute([$0] + $1)
            }, places: places)
    }

    /// Runs a command line without the program's name.
    @discardableResult
    func run(_ line: String...) -> ExitCode { Warren.run(line, session) }

    private func answer(_ request: AdminRequest) -> Result<AdminAnswer, AdminFailure> {
        requests.append(request)
        if let failure = failures[request.target] { return .failure(failure) }
        if let document = answers[request.target] { return .success(AdminAnswer(document)) }
        return .failure(AdminFailure("no warrend at \(request.socket)", remedy: "Start it.", isUnreachable: true))
    }

    private func pause(_ time: Interval) -> Bool {
        pauses.append(time)
        beforePause(pauses.count)
        return pauses.count < pictures
    }
}

/// The document of a JSON text in a test.
func document(_ text: String) throws -> Value { try JSON.read(text) }

let policySample = """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: db, namespace: shop}
    spec: {action: DENY}
    ---
    apiVersion: v1
    kind: Namespace
    metadata: {name: shop}

    """

/// Runs a body with a file of this text.
func withFile(_ text: String, _ body: (Desk, String) throws -> Void) throws {
    let folder = try Files.makeTemporaryFolder()
    defer { Files.remove(folder) }
    try Files.write(text, to: "\(folder)/objects.yaml")
    try body(Desk(), "\(folder)/objects.yaml")
}

let serviceSample: Value = [
    "apiVersion": "v1", "kind": "Service", "metadata": ["name": "db", "namespace": "shop", "labels": ["app": "db"]],
    "spec": ["ports": [["port": 80]]],
]
let servicePath = "/api/v1/namespaces/shop/services/db"
