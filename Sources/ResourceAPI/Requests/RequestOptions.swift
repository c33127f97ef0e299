// SPDX-License-Identifier: Apache-2.0

/// What the query of a request says (meta/v1 ListOptions, CreateOptions, PatchOptions and their like). Parameters that nobody knows are
/// passed over, as Kubernetes does.
package struct RequestOptions: Sendable {
    package enum FieldValidation: String, Hashable, Sendable {
        case strict = "Strict"
        case warn = "Warn"
        case ignore = "Ignore"
    }

    package enum Propagation: String, Hashable, Sendable {
        case orphan = "Orphan"
        case background = "Background"
        case foreground = "Foreground"
    }

    package enum VersionMatch: String, Hashable, Sendable {
        case exact = "Exact"
        case notOlderThan = "NotOlderThan"
    }

    package enum IncludeObject: String, Hashable, Sendable {
        case none = "None"
        case metadata = "Metadata"
        case object = "Object"
    }

    /// Longest name of a field manager (validation of Kubernetes).
    static let maximumManager = 128

    package var labelSelector: LabelSelector?
    package var fieldSelector: FieldSelector?
    package var limit: Int?
    package var continuation: ContinueToken?
    /// Nil if not given; 0: anything will do.
    package var resourceVersion: UInt64?
    package var versionMatch: VersionMatch?
    package var isWatch = false
    package var allowsBookmarks = false
    package var sendInitialEvents: Bool?
    package var timeoutSeconds: Int?
    package var isDryRun = false
    package var fieldManager: String?
    package var force = false
    /// What isn't known is refused unless the client asks for less: an unknown field of a policy is a hole in it.
    package var fieldValidation = FieldValidation.strict
    package var propagation: Propagation?
    package var gracePeriodSeconds: Int?
    package var isPretty = false
    /// Of a table: what its rows hold besides the cells.
    package var includeObject = IncludeObject.metadata

    package init() {}

    init(_ path: APIPath) throws(APIStatus) {
        if let text = path["labelSelector"], !text.isEmpty { labelSelector = try LabelSelector(text) }
        if let text = path["fieldSelector"], !text.isEmpty { fieldSelector = try FieldSelector(text) }
        limit = try Self.number(path, "limit").flatMap { $0 == 0 ? nil : $0 }
        if let text = path["continue"], !text.isEmpty { continuation = try ContinueToken(text) }
        resourceVersion = try Self.resourceVersion(path["resourceVersion"])
        versionMatch = try Self.choice(path, "resourceVersionMatch")
        isWatch = try Self.flag(path, "watch") ?? false
        allowsBookmarks = try Self.flag(path, "allowWatchBookmarks") ?? false
        sendInitialEvents = try Self.flag(path, "sendInitialEvents")
        timeoutSeconds = try Self.number(path, "timeoutSeconds").flatMap { $0 == 0 ? nil : $0 }
        isDryRun = try Self.dryRun(path.parameters.filter { $0.name == "dryRun" }.map(\.value))
        fieldManager = try Self.manager(path["fieldManager"])
        force = try Self.flag(path, "force") ?? false
        fieldValidation = try Self.choice(path, "fieldValidation") ?? .strict
        propagation = try Self.choice(path, "propagationPolicy")
        gracePeriodSeconds = try Self.number(path, "gracePeriodSeconds")
        isPretty = try Self.flag(path, "pretty") ?? false
        includeObject = try Self.choice(path, "includeObject") ?? .metadata
        try check()
    }

    private func check() throws(APIStatus) {
        if versionMatch != nil, resourceVersion == nil, sendInitialEvents == nil {
            throw Self.wrong(
                "resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        if continuation != nil, resourceVersion != nil, resourceVersion != 0 {
            throw APIStatus(.badRequest, "specifying resource version is not allowed when using continue")
        }
        if sendInitialEvents != nil {
            guard isWatch else {
                throw Self.wrong("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
            }
            guard versionMatch == .notOlderThan else {
                throw Self.wrong(
                    "resourceVersionMatch",
                    "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            }
        }
    }

    // MARK: - Values

    static func dryRun(_ values: [String]) throws(APIStatus) -> Bool {
        for value in values where value != "All" {
            throw wrong("dryRun", "Unsupported value: \"\(value.prefix(64))\": supported values: \"All\"")
        }
        return !values.isEmpty
    }

    /// `0`, or a revision that this server told.
    static func resourceVersion(_ text: String?) throws(APIStatus) -> UInt64? {
        guard let text, !text.isEmpty else { return nil }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt64(text) else {
            throw wrong("resourceVersion", "Invalid value: \"\(text.prefix(64))\": must be a number that this server gave")
        }
        return number
    }

    private static func manager(_ text: String?) throws(APIStatus) -> String? {
        guard let text, !text.isEmpty else { return nil }
        guard text.utf8.count <= maximumManager else {
            throw wrong("fieldManager", "Too long: may not be more than \(maximumManager) bytes")
        }
        guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw wrong("fieldManager", "Invalid value: should only contain printable characters")
        }
        return text
    }

    /// As Go reads them; a parameter without a value says yes.
    private static func flag(_ path: APIPath, _ name: String) throws(APIStatus) -> Bool? {
        switch path[name] {
        case nil: return nil
        case "", "1", "t", "T", "true", "TRUE", "True": return true
        case "0", "f", "F", "false", "FALSE", "False": return false
        case .some(let text): throw wrong(name, "Invalid value: \"\(text.prefix(64))\": must be true or false")
        }
    }

    private static func number(_ path: APIPath, _ name: String) throws(APIStatus) -> Int? {
        guard let text = path[name], !text.isEmpty else { return nil }
        guard text.utf8.count <= 18, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text) else {
            throw wrong(name, "Invalid value: \"\(text.prefix(64))\": must be a number, and not negative")
        }
        return number
    }

    private static func choice<Choice: RawRepresentable>(_ path: APIPath, _ name: String) throws(APIStatus) -> Choice?
    where Choice.RawValue == String {
        guard let text = path[name], !text.isEmpty else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw wrong(name, "Unsupported value: \"\(text.prefix(64))\"")
        }
        return choice
    }

    private static func wrong(_ name: String, _ reason: String) -> APIStatus { APIStatus(.badRequest, "\(name): \(reason)") }
}
