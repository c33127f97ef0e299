// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents

extension Resource.AuthorizationPolicy.Rule {
    /// Sources that only HTTP can tell, and those that the field has but a host can't judge.
    private static let httpSources = [
        "requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks", "trustDomains", "notTrustDomains",
    ]
    private static let httpOperations = ["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"]

    init(_ fields: Fields, namespace: String) {
        line = fields.position.line
        var attributes: [String] = []
        from = fields.list("from").map { element in
            let match = Self.part(element, "source") { Self.source($0, namespace, &attributes) }
            element.finish()
            return match
        }
        to = fields.list("to").map { element in
            let match = Self.part(element, "operation") { Self.operation($0, &attributes) }
            element.finish()
            return match
        }
        when = fields.list("when").map { Self.condition($0, namespace, &attributes) }
        httpAttributes = attributes
        fields.finish()
    }

    /// `source` or `operation`: it has to be there and to ask for something, since what asks for nothing matches everything.
    private static func part(_ element: Fields, _ key: String, _ read: (Fields) -> Authorization.Match) -> Authorization.Match {
        guard let inner = element.fields(key) else {
            element.report(key, "`\(element.path(of: key))` is missing", remedy: "Add it.", code: DocumentCode.missingField)
            return Authorization.Match()
        }
        if inner.isEmpty {
            element.report(key, "\(element.path(of: key)) asks for nothing", remedy: "Remove it, or say what must match.")
        }
        let match = read(inner)
        inner.finish()
        return match
    }

    private static func source(_ fields: Fields, _ namespace: String, _ attributes: inout [String]) -> Authorization.Match {
        var match = Authorization.Match()
        match.principals = PolicyValues.principals(fields, "principals")
        match.notPrincipals = PolicyValues.principals(fields, "notPrincipals")
        match.namespaces = PolicyValues.texts(fields, "namespaces")
        match.notNamespaces = PolicyValues.texts(fields, "notNamespaces")
        match.sourceIPs = PolicyValues.blocks(fields, "ipBlocks")
        match.notSourceIPs = PolicyValues.blocks(fields, "notIpBlocks")
        match.serviceAccounts = PolicyValues.accounts(fields, "serviceAccounts", namespace)
        match.notServiceAccounts = PolicyValues.accounts(fields, "notServiceAccounts", namespace)
        let accounts = !match.serviceAccounts.isEmpty || !match.notServiceAccounts.isEmpty
        for key in ["principals", "notPrincipals", "namespaces", "notNamespaces"] where accounts && fields.has(key) {
            fields.report(key, "a source has either serviceAccounts or \(key), not both", remedy: "Remove one of them.")
        }
        collect(fields, httpSources, &attributes)
        return match
    }

    private static func operation(_ fields: Fields, _ attributes: inout [String]) -> Authorization.Match {
        var match = Authorization.Match()
        match.destinationPorts = PolicyValues.ports(fields, "ports")
        match.notDestinationPorts = PolicyValues.ports(fields, "notPorts")
        collect(fields, httpOperations, &attributes)
        return match
    }

    private static func collect(_ fields: Fields, _ keys: [String], _ attributes: inout [String]) {
        for key in keys {
            let values = fields.strings(key)
            if !values.isEmpty, !attributes.contains(key) { attributes.append(key) }
        }
    }

    private static func condition(_ fields: Fields, _ namespace: String, _ attributes: inout [String]) -> Authorization.Match {
        var match = Authorization.Match()
        let key = fields.requiredString("key")
        switch key {
        case "source.ip":
            match.sourceIPs = PolicyValues.blocks(fields, "values")
            match.notSourceIPs = PolicyValues.blocks(fields, "notValues")
        case "source.namespace":
            match.namespaces = PolicyValues.texts(fields, "values")
            match.notNamespaces = PolicyValues.texts(fields, "notValues")
        case "source.principal":
            match.principals = PolicyValues.principals(fields, "values")
            match.notPrincipals = PolicyValues.principals(fields, "notValues")
        case "source.serviceAccount":
            match.serviceAccounts = PolicyValues.accounts(fields, "values", namespace)
            match.notServiceAccounts = PolicyValues.accounts(fields, "notValues", namespace)
        case "destination.ip":
            match.destinationIPs = PolicyValues.blocks(fields, "values")
            match.notDestinationIPs = PolicyValues.blocks(fields, "notValues")
        case "destination.port":
            match.destinationPorts = PolicyValues.ports(fields, "values")
            match.notDestinationPorts = PolicyValues.ports(fields, "notValues")
        default: attribute(fields, key, &attributes)
        }
        if !fields.has("values"), !fields.has("notValues") {
            fields.report(
                "values", "the condition on \(key) says no values", remedy: "Add `values` or `notValues` with at least one.",
                code: DocumentCode.missingField)
        }
        fields.finish()
        return match
    }

    /// A condition that only HTTP could judge; one that nobody knows is an error, not something to ignore.
    private static func attribute(_ fields: Fields, _ key: String, _ attributes: inout [String]) {
        _ = (fields.strings("values"), fields.strings("notValues"))
        let exact = [
            "remote.ip", "request.auth.principal", "request.auth.audiences", "request.auth.presenter", "connection.sni",
        ]
        let open = ["request.headers[", "request.auth.claims[", "experimental."]
        if exact.contains(key) || open.contains(where: { key.hasPrefix($0) }) {
            if !attributes.contains(key) { attributes.append(key) }
        } else if !key.isEmpty {
            let known = [
                "source.ip", "source.namespace", "source.principal", "source.serviceAccount", "destination.ip",
                "destination.port",
            ]
            fields.report(
                "key", "the condition \(key) is not known",
                remedy: suggestion(for: key, among: known + exact).map { "Did you mean `\($0)`?" }
                    ?? "Known: \(known.joined(separator: ", ")).")
        }
    }
}

/// The values that policies compare with, checked: one that can never match would open a DENY without a word.
enum PolicyValues {
    static func texts(_ fields: Fields, _ key: String) -> [Authorization.StringMatch] {
        fields.strings(key).enumerated().compactMap { index, text in
            let inner =
                text.drop { $0 == "*" }.utf8.contains(UInt8(ascii: "*")) && !(text.last == "*" && text.count { $0 == "*" } == 1)
            guard !text.isEmpty, !inner, !text.hasPrefix("**") else {
                fields.report(
                    "\(key)[\(index)]", text.isEmpty ? "an empty value matches nothing" : "\"\(text)\" matches nothing",
                    remedy: "A `*` may stand alone, or at the beginning, or at the end.")
                return nil
            }
            if text == "*" { return .presence }
            if text.hasPrefix("*") { return .suffix(String(text.dropFirst())) }
            if text.hasSuffix("*") { return .prefix(String(text.dropLast())) }
            return .exact(text)
        }
    }

    static func principals(_ fields: Fields, _ key: String) -> [Authorization.StringMatch] {
        for (index, text) in fields.strings(key).enumerated() where text.hasPrefix("spiffe://") {
            fields.report(
                "\(key)[\(index)]", "principals are written without spiffe://: \"\(text)\" matches nothing",
                remedy: "Write \(text.dropFirst("spiffe://".count)).")
        }
        return texts(fields, key)
    }

    static func blocks(_ fields: Fields, _ key: String) -> [IPPrefix] {
        fields.strings(key).enumerated().compactMap { index, text in
            if let block = IPPrefix(text) { return block }
            fields.report(
                "\(key)[\(index)]", "\"\(text)\" is neither an IP address nor a block",
                remedy: "Write it like 192.0.2.7 or 10.0.0.0/8.")
            return nil
        }
    }

    static func ports(_ fields: Fields, _ key: String) -> [UInt16] {
        fields.strings(key).enumerated().compactMap { index, text in
            if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(text), port != 0 { return port }
            fields.report("\(key)[\(index)]", "\"\(text)\" is not a port", remedy: "Write 1 to 65535, in quotes.")
            return nil
        }
    }

    /// `NAMESPACE/NAME`, or a name of the policy's own namespace.
    static func accounts(_ fields: Fields, _ key: String, _ namespace: String) -> [Authorization.ServiceAccountMatch] {
        fields.strings(key).enumerated().compactMap { index, text in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard (1...2).contains(parts.count), let account = parts.last, parts.allSatisfy(ResourceName.isSubdomain) else {
                fields.report(
                    "\(key)[\(index)]", "\"\(text)\" is no service account", remedy: "Write NAMESPACE/NAME, without wildcards.")
                return nil
            }
            return Authorization.ServiceAccountMatch(
                namespace: parts.count == 2 ? parts[0] : namespace, serviceAccount: account)
        }
    }
}
