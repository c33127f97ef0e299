// SPDX-License-Identifier: Apache-2.0

/// Package `istio.security`: policies as hosts judge by them.
package enum SecurityAPI {
    /// The name under which it is subscribed to.
    package static let authorizationTypeURL = "type.googleapis.com/istio.security.Authorization"

    package struct Authorization: Message {
        package var name = ""
        package var namespace = ""
        package var scope: Int32 = 0
        package var action: Int32 = 0
        package var groups: [Group] = []
        package var dryRun = false
        package var extensions: [WorkloadAPI.Extension] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "name", \.name),
            .string(2, "namespace", \.namespace),
            .enumeration(3, "scope", \.scope, ["GLOBAL", "NAMESPACE", "WORKLOAD_SELECTOR"]),
            .enumeration(4, "action", \.action, ["ALLOW", "DENY"]),
            .messages(5, "groups", \.groups),
            .bool(6, "dry_run", \.dryRun),
            .messages(7, "extensions", \.extensions),
        ]
    }

    package struct Group: Message {
        package var rules: [Rules] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [.messages(1, "rules", \.rules)]
    }

    package struct Rules: Message {
        package var matches: [Match] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [.messages(2, "matches", \.matches)]
    }

    package struct Match: Message {
        package var namespaces: [StringMatch] = []
        package var notNamespaces: [StringMatch] = []
        package var principals: [StringMatch] = []
        package var notPrincipals: [StringMatch] = []
        package var sourceIPs: [Block] = []
        package var notSourceIPs: [Block] = []
        package var destinationIPs: [Block] = []
        package var notDestinationIPs: [Block] = []
        package var destinationPorts: [UInt32] = []
        package var notDestinationPorts: [UInt32] = []
        package var serviceAccounts: [ServiceAccountMatch] = []
        package var notServiceAccounts: [ServiceAccountMatch] = []
        package var extensions: [WorkloadAPI.Extension] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .messages(1, "namespaces", \.namespaces),
            .messages(2, "not_namespaces", \.notNamespaces),
            .messages(3, "principals", \.principals),
            .messages(4, "not_principals", \.notPrincipals),
            .messages(5, "source_ips", \.sourceIPs),
            .messages(6, "not_source_ips", \.notSourceIPs),
            .messages(7, "destination_ips", \.destinationIPs),
            .messages(8, "not_destination_ips", \.notDestinationIPs),
            .uint32s(9, "destination_ports", \.destinationPorts),
            .uint32s(10, "not_destination_ports", \.notDestinationPorts),
            .messages(11, "service_accounts", \.serviceAccounts),
            .messages(12, "not_service_accounts", \.notServiceAccounts),
            .messages(13, "extensions", \.extensions),
        ]
    }

    /// `istio.security.Address`: an address and how many of its bits count.
    package struct Block: Message {
        package var address: [UInt8] = []
        package var length: UInt32 = 0
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .bytes(1, "address", \.address),
            .uint32(2, "length", \.length),
        ]
    }

    package struct ServiceAccountMatch: Message {
        package var namespace = ""
        package var serviceAccount = ""
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "namespace", \.namespace),
            .string(2, "serviceAccount", \.serviceAccount),
        ]
    }

    /// One of the four.
    package struct StringMatch: Message {
        package var exact: String?
        package var prefix: String?
        package var suffix: String?
        package var presence: Empty?
        package var unknownFields: [UInt8] = []

        package init() {}

        private static func clear(_ match: inout Self) {
            (match.exact, match.prefix, match.suffix, match.presence) = (nil, nil, nil, nil)
        }

        package static let fields: [MessageField<Self>] = [
            .oneofString(1, "exact", \.exact, clear: clear),
            .oneofString(2, "prefix", \.prefix, clear: clear),
            .oneofString(3, "suffix", \.suffix, clear: clear),
            .message(4, "presence", \.presence, clear: clear),
        ]
    }

    package struct Empty: Message {
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = []
    }
}
