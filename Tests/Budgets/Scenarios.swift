// SPDX-License-Identifier: Apache-2.0

import Support

/// What is counted: a name for people, and how. Names of metrics are `WORK.HOST.WHAT`, per piece of work.
struct Scenario: Sendable {
    let name: String
    let run: @Sendable (Stage) throws -> [Measure]

    static let all = [
        // First: what earlier connections leave for a while would come off it.
        Scenario(name: "an idle connection, in bytes") { stage in try idle(stage, count: 1_000) },
        Scenario(name: "keep-alive requests on 32 connections, through a tunnel") { stage in
            try stage.cost("request", few: 32, many: 40_000) { try requests($0, from: stage.client, to: stage.server.address) }
        },
        Scenario(name: "keep-alive requests on one connection, through a tunnel") { stage in
            try stage.cost("lonelyRequest", few: 1, many: 5_000) {
                try requests($0, from: stage.client, to: stage.server.address, connections: 1)
            }
        },
        Scenario(name: "keep-alive requests on 32 connections, within a host") { stage in
            try onClient(
                stage.cost("localRequest", few: 32, many: 40_000) {
                    try requests($0, from: stage.client, to: stage.neighbour.address)
                })
        },
        Scenario(name: "64 KiB of an upload, through a tunnel") { stage in
            try stage.cost("upload", few: 256, many: 8_192) { try bulk($0, from: stage.client, to: stage.server.address) }
        },
        Scenario(name: "64 KiB of a download, through a tunnel") { stage in
            try stage.cost("download", few: 256, many: 8_192) {
                try bulk($0, from: stage.client, to: stage.server.address, "-R")
            }
        },
        Scenario(name: "64 KiB within a host") { stage in
            try onClient(
                stage.cost("localUpload", few: 256, many: 16_384) {
                    try bulk($0, from: stage.client, to: stage.neighbour.address)
                })
        },
        Scenario(name: "a connection with a request, through a tunnel") { stage in
            try stage.cost("connection", few: 100, many: 3_000, hasLog: true) {
                try connections($0, from: stage.client, to: stage.server.address)
            }
        },
        Scenario(name: "a connection with a request, within a host") { stage in
            try onClient(
                stage.cost("localConnection", few: 100, many: 3_000, hasLog: true) {
                    try connections($0, from: stage.client, to: stage.neighbour.address)
                })
        },
        Scenario(name: "a tunnel with its handshake and a first connection") { stage in
            try stage.cost("tunnel", few: 3, many: 43) { count in
                let before = try handshakes(stage)
                try stage.client.sh(
                    """
                    for number in $(seq \(count)); do
                      ss -K dst \(stage.server.address) dport = :15008 >/dev/null
                      curl -fsS -m5 -o /dev/null http://\(stage.server.address):\(Stage.web)/
                    done
                    """)
                let made = try handshakes(stage) - before
                guard made == Double(count) else { throw LabFailure(description: "\(made) handshakes instead of \(count)") }
            }
        },
    ]

    // MARK: - Work

    private static func requests(_ count: Int, from client: LabWorkload, to address: String, connections: Int = 32) throws {
        try client.sh(
            "h2load --h1 -n \(count) -c \(connections) -t 1 http://\(address):\(Stage.web)/ | grep -q '\(count) succeeded'")
    }

    private static func bulk(_ chunks: Int, from client: LabWorkload, to address: String, _ direction: String = "") throws {
        try client.sh("iperf3 -c \(address) -p \(Stage.bulk) -n \(chunks * 65_536) -C cubic \(direction)")
    }

    private static func connections(_ count: Int, from client: LabWorkload, to address: String) throws {
        let outcome = try client.run(
            Peer.command("many", [address, "\(Stage.web)", "--count", "\(count)", "--parallel", "16"]), seconds: 60)
        guard outcome.out.contains("\"answered\": \(count)") else { throw LabFailure(description: "\(outcome)") }
    }

    private static func handshakes(_ stage: Stage) throws -> Double {
        try stage.mesh.nodes[1].metric("warren_tls_handshakes_total", "side=\"server\"", "result=\"ok\"")
    }

    /// Connections that spoke once and are silent since.
    private static func idle(_ stage: Stage, count: Int) throws -> [Measure] {
        var readings: [[Counts]] = []
        // The first round is for tables, which grow once.
        for _ in 0..<2 {
            let holder = try stage.client.startClient(
                "hold", stage.server.address, port: Stage.echo, "--count", "\(count)", "--pause", "60")
            readings = [try stage.read()]
            _ = try holder.event("holding", seconds: 10)
            readings.append(try stage.read())
            _ = try holder.result()
        }
        return ["client", "server"].enumerated().map { index, side in
            Measure(metric: "idle.\(side).bytes", value: (readings[1][index] - readings[0][index]).bytes / Double(count))
        }
    }

    /// Within a host there is one daemon.
    private static func onClient(_ measures: [Measure]) -> [Measure] { measures.filter { $0.metric.contains(".client.") } }
}
