// SPDX-License-Identifier: Apache-2.0

/// One reader of what others wrote, with the properties that hold whatever they wrote. Used by libFuzzer through `FuzzEntry`, and by the
/// replay test. A broken property stops the process, as a trap in the reader does.
package struct FuzzTarget: Sendable {
    /// The folder below Tests/Fuzz that has the harness and its `Corpus`.
    package let name: String
    private let harness: @Sendable ([UInt8]) -> Void

    private init(_ name: String, _ harness: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.harness = harness
    }

    /// Reads one input.
    package func fuzz(_ bytes: [UInt8]) { harness(bytes) }

    /// Reads one input that lives during the call.
    package func fuzz(_ bytes: UnsafeRawBufferPointer) { harness(unsafe Array(bytes)) }

    /// Every target, in the order in which `run.sh` takes them.
    package static let all: [FuzzTarget] = [
        FuzzTarget("JSON", JSONHarness.fuzz), FuzzTarget("YAML", YAMLHarness.fuzz), FuzzTarget("Mesh", MeshHarness.fuzz),
        FuzzTarget("Protobuf", ProtobufHarness.fuzz), FuzzTarget("HTTP1Request", HTTP1RequestHarness.fuzz),
        FuzzTarget("HTTP1Response", HTTP1ResponseHarness.fuzz), FuzzTarget("HTTP2Server", HTTP2ServerHarness.fuzz),
        FuzzTarget("HTTP2Client", HTTP2ClientHarness.fuzz), FuzzTarget("Headers", HeadersHarness.fuzz),
        FuzzTarget("Addresses", AddressesHarness.fuzz), FuzzTarget("Certificates", CertificatesHarness.fuzz),
        FuzzTarget("TLS", TLSHarness.fuzz), FuzzTarget("Configuration", ConfigurationHarness.fuzz),
        FuzzTarget("Telemetry", TelemetryHarness.fuzz), FuzzTarget("Netlink", NetlinkHarness.fuzz),
        FuzzTarget("ConnectTarget", ConnectTargetHarness.fuzz), FuzzTarget("AdminAnswer", AdminAnswerHarness.fuzz),
        FuzzTarget("GRPC", GRPCHarness.fuzz), FuzzTarget("Delta", DeltaHarness.fuzz),
        FuzzTarget("Resources", ResourcesHarness.fuzz), FuzzTarget("APICall", APICallHarness.fuzz),
    ]

    /// The target of this name.
    package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}
