// SPDX-License-Identifier: Apache-2.0

internal import Documents

/// How a command prints what it found: for people, or for programs.
enum OutputFormat: String, CaseIterable {
    case table
    case json
    case yaml

    static let option = CommandOption(
        "output", short: "o", value: "FORMAT", choices: allCases.map(\.rawValue), "How to print: table (default), json or yaml.")

    init(_ invocation: Invocation) { self = invocation.value("output").flatMap(Self.init) ?? .table }

    /// The document as text; nil for the format that isn't one.
    func text(_ document: Value) -> String? {
        switch self {
        case .table: nil
        case .json: document.prettyJSON
        case .yaml: YAML.write(document)
        }
    }
}
