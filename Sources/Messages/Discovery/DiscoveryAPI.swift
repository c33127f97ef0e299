// SPDX-License-Identifier: Apache-2.0

package import Documents

/// Package `envoy.service.discovery.v3`, the delta variant, with `google.rpc.Status`. What of it nobody here uses is kept unread.
package enum DiscoveryAPI {
    package static let deltaMethod = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"

    package struct DeltaRequest: Message {
        package var node: Node?
        package var typeURL = ""
        package var resourceNamesSubscribe: [String] = []
        package var resourceNamesUnsubscribe: [String] = []
        /// Name and version of everything the client holds, in the first request of a stream.
        package var initialResourceVersions: [String: String] = [:]
        package var responseNonce = ""
        /// Present in a NACK.
        package var errorDetail: Status?
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .message(1, "node", \.node),
            .string(2, "type_url", \.typeURL),
            .strings(3, "resource_names_subscribe", \.resourceNamesSubscribe),
            .strings(4, "resource_names_unsubscribe", \.resourceNamesUnsubscribe),
            .stringMap(5, "initial_resource_versions", \.initialResourceVersions),
            .string(6, "response_nonce", \.responseNonce),
            .message(7, "error_detail", \.errorDetail),
        ]
    }

    package struct DeltaResponse: Message {
        package var systemVersionInfo = ""
        package var resources: [Resource] = []
        package var typeURL = ""
        package var nonce = ""
        package var removedResources: [String] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "system_version_info", \.systemVersionInfo),
            .messages(2, "resources", \.resources),
            .string(4, "type_url", \.typeURL),
            .string(5, "nonce", \.nonce),
            .strings(6, "removed_resources", \.removedResources),
        ]
    }

    package struct Resource: Message {
        package var version = ""
        package var resource: AnyMessage?
        package var name = ""
        package var aliases: [String] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "version", \.version),
            .message(2, "resource", \.resource),
            .string(3, "name", \.name),
            .strings(4, "aliases", \.aliases),
        ]
    }

    package struct Node: Message {
        package var id = ""
        package var cluster = ""
        package var metadata: Value?
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "id", \.id),
            .string(2, "cluster", \.cluster),
            .structure(3, "metadata", \.metadata),
        ]
    }

    package struct Status: Message {
        package var code: Int32 = 0
        package var message = ""
        package var details: [AnyMessage] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .enumeration(1, "code", \.code, []),
            .string(2, "message", \.message),
            .messages(3, "details", \.details),
        ]
    }
}

/// Package `istio.v1.auth`: a certificate for a key that the asker keeps.
package enum CertificateAPI {
    package static let createMethod = "/istio.v1.auth.IstioCertificateService/CreateCertificate"

    package struct Request: Message {
        /// PEM.
        package var csr = ""
        /// Seconds.
        package var validityDuration: Int64 = 0
        /// `ImpersonatedIdentity`: whom a node asks for.
        package var metadata: Value?
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [
            .string(1, "csr", \.csr),
            .int64(3, "validity_duration", \.validityDuration),
            .structure(4, "metadata", \.metadata),
        ]
    }

    package struct Response: Message {
        /// PEM: the leaf, intermediates, and last the roots.
        package var certificateChain: [String] = []
        package var unknownFields: [UInt8] = []

        package init() {}

        package static let fields: [MessageField<Self>] = [.strings(1, "cert_chain", \.certificateChain)]
    }
}
