// swift-tools-version: 6.3
import PackageDescription

/// Every target is built alike. `WARREN_STRICT=1`, which all our scripts set, makes warnings errors; an editor session may do without.
let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (Context.environment["WARREN_STRICT"] == "1" ? [.treatAllWarnings(as: .error)] : [])

/// A Swift module of ours. What it may import is what stands here: the house-rule tests hold the sources to this list.
func module(_ name: String, _ dependencies: String...) -> Target {
    .target(name: name, dependencies: dependencies.map { .init(stringLiteral: $0) }, swiftSettings: settings)
}

func program(_ name: String, _ dependencies: String...) -> Target {
    .executableTarget(name: name, dependencies: dependencies.map { .init(stringLiteral: $0) }, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: String..., resources: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: dependencies.map { .init(stringLiteral: $0) },
        exclude: resources,
        swiftSettings: settings)
}

/// What is fuzzed: each has a folder in Tests/Fuzz with a harness and a corpus.
let fuzzed = [
    "JSON", "YAML", "Mesh", "Protobuf", "HTTP1Request", "HTTP1Response", "HTTP2Server", "HTTP2Client", "Headers", "Addresses",
    "Certificates", "TLS", "Configuration", "Telemetry", "Netlink", "ConnectTarget", "AdminAnswer", "GRPC", "Delta", "Resources",
    "APICall",
]

let package = Package(
    name: "warren",
    products: [
        .executable(name: "warrend", targets: ["warrend"]),
        .executable(name: "warren-control", targets: ["warren-control"]),
        .executable(name: "warren", targets: ["warren"]),
        // What Tests/Fuzz/run.sh links with libFuzzer.
        .library(name: "FuzzHarnesses", type: .static, targets: ["FuzzHarnesses"]),
    ],
    targets: [
        // C headers and module maps. Shims hold no logic, but for the crash report (docs/decisions/0011).
        .target(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "CNFTables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

        // Values and the kernel.
        module("Bytes"),
        module("Kernel", "Bytes", "CLinux"),
        module("Loop", "Bytes", "Kernel"),

        // Pure transformers: no descriptor, no loop, no clock.
        module("TLS", "Bytes", "COpenSSL"),
        module("HTTP", "Bytes", "CNGHTTP2"),
        module("Documents", "Bytes", "CYAML"),
        module("Wire", "Bytes"),
        module("Messages", "Bytes", "Wire", "Documents", "Mesh"),
        module("Mesh", "Bytes", "Documents"),
        module("ResourceAPI", "Bytes", "Documents", "Wire", "Mesh"),

        // What a node is made of.
        module("Capture", "Bytes", "Kernel", "Mesh", "CNFTables"),
        module("Telemetry", "Bytes", "Kernel", "Loop", "HTTP", "Documents", "Mesh"),
        module("Transport", "Bytes", "Kernel", "Loop", "TLS", "HTTP"),
        module("Daemon", "Bytes", "Kernel", "Loop", "Documents", "Wire", "HTTP", "Transport", "Telemetry"),
        module("Tunnel", "Bytes", "Kernel", "Loop", "TLS", "HTTP", "Mesh", "Telemetry"),
        module(
            "Discovery", "Bytes", "Kernel", "Loop", "TLS", "HTTP", "Documents", "Wire", "Messages", "Mesh", "Transport",
            "Telemetry"),
        module(
            "NodeProxy", "Bytes", "Kernel", "Loop", "TLS", "HTTP", "Documents", "Wire", "Messages", "Mesh", "Capture", "Tunnel",
            "Telemetry", "Transport", "Daemon", "Discovery"),

        // The control plane.
        module("Store", "Bytes", "Kernel", "Loop", "TLS", "HTTP", "Wire", "Documents", "Transport", "CSQLite"),
        module(
            "ControlPlane", "Bytes", "Kernel", "Loop", "TLS", "HTTP", "Documents", "Wire", "Messages", "Mesh", "ResourceAPI",
            "Store", "Transport", "Telemetry", "Daemon", "Discovery"),

        module(
            "Operator", "Bytes", "Kernel", "Loop", "TLS", "HTTP", "Documents", "Wire", "Messages", "Mesh", "ResourceAPI",
            "Transport",
            "Daemon"),

        program("warrend", "NodeProxy", "Capture", "Daemon", "Kernel"),
        program("warren-control", "ControlPlane", "Daemon", "Kernel"),
        program("warren", "Operator", "Daemon", "Kernel"),

        .target(
            name: "Support", dependencies: ["Bytes", "Kernel", "Documents"], path: "Tests/Support", swiftSettings: settings),
        .target(name: "Counters", path: "Tests/Budgets/Counters"),
        .executableTarget(
            name: "Budgets",
            dependencies: ["Counters", "Support", "NodeProxy", "Tunnel", "HTTP", "Loop", "Documents", "Kernel", "Bytes"],
            path: "Tests/Budgets", exclude: ["Counters", "allocations.c", "budgets.json"], swiftSettings: settings),
        .target(
            name: "FuzzHarnesses",
            dependencies: [
                "Bytes", "Kernel", "TLS", "HTTP", "Documents", "Wire", "Messages", "Mesh", "Daemon", "Telemetry", "Tunnel",
                "NodeProxy", "Operator", "Discovery", "Transport", "Loop", "ResourceAPI", "COpenSSL",
            ], path: "Tests/Fuzz", exclude: ["run.sh", "Dictionaries"] + fuzzed.map { "\($0)/Corpus" }, swiftSettings: settings),
        tests("Bytes", "Bytes"),
        tests("Kernel", "Kernel", "Bytes"),
        tests("Loop", "Loop", "Kernel", "Bytes"),
        tests("TLS", "TLS", "Bytes", "COpenSSL"),
        tests("HTTP", "HTTP", "Bytes"),
        tests("Documents", "Documents", "Bytes"),
        tests("Wire", "Wire", "Bytes"),
        tests("Mesh", "Mesh", "Messages", "Wire", "Documents", "Bytes", "Support", resources: ["Vectors"]),
        tests("Capture", "Capture", "Mesh", "Kernel", "Bytes"),
        tests("Telemetry", "Telemetry", "Mesh", "HTTP", "Documents", "Loop", "Kernel", "Bytes"),
        tests("Transport", "Transport", "TLS", "HTTP", "Wire", "Loop", "Kernel", "Bytes", "Support"),
        tests("Tunnel", "Tunnel", "TLS", "HTTP", "Loop", "Kernel", "Bytes", "Support"),
        tests("Daemon", "Daemon", "Telemetry", "Documents", "Kernel", "Bytes", "Support"),
        tests(
            "NodeProxy", "NodeProxy", "Discovery", "Transport", "Daemon", "Telemetry", "Tunnel", "TLS", "HTTP", "Messages",
            "Wire",
            "Mesh", "Loop", "Kernel", "Documents", "Bytes", "Support"),
        tests(
            "Operator", "Operator", "ResourceAPI", "Transport", "Daemon", "TLS", "HTTP", "Loop", "Mesh", "Documents", "Kernel",
            "Bytes", "Support"),
        tests("Store", "Store", "Transport", "TLS", "HTTP", "Documents", "Wire", "Loop", "Kernel", "Bytes", "Support"),
        tests("ResourceAPI", "ResourceAPI", "Mesh", "Wire", "Documents", "Bytes", "Support"),
        tests(
            "Discovery", "Discovery", "Transport", "Messages", "Wire", "Mesh", "TLS", "HTTP", "Loop", "Kernel", "Documents",
            "Bytes",
            "Support"),
        tests(
            "ControlPlane", "ControlPlane", "ResourceAPI", "Store", "Discovery", "Transport", "Messages", "Wire", "Mesh", "TLS",
            "HTTP",
            "Loop", "Kernel", "Documents", "Daemon", "Telemetry", "Bytes", "Support"),
        tests("FuzzReplay", "FuzzHarnesses", "Support", "Kernel"),
        tests("Budgets", "Budgets"),
        tests("HouseRules", "Support", "Kernel"),
        tests("Host", "Support", "Kernel", "Documents", "Bytes", resources: ["Peers"]),
    ]
)
