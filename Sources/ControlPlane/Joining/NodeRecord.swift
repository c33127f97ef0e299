// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import ResourceAPI
package import Store
internal import TLS

/// A host of the mesh, as its object `Node` in `warren.dev/v1` says. A value.
package struct NodeRecord: Sendable {
    package static let resource = "nodes.warren.dev"
    /// When the host joined with the key that it has now, in Unix seconds: certificates from before are refused.
    static let joinedAnnotation = "warren.dev/joined"

    private let object: Value

    package static func key(_ name: String) -> StoreKey { StoreKey(resource, name) }

    /// From the store; nil if it is damaged.
    package init?(_ text: [UInt8]) {
        guard let object = try? JSON.read(text), object["metadata"]?["name"]?.stringValue != nil else { return nil }
        self.object = object
    }

    package var name: String { object["metadata"]?["name"]?.stringValue ?? "" }
    /// An admin turned it out: neither its certificate nor a renewal of it is taken (I22).
    package var isEvicted: Bool { object["spec"]?["evicted"]?.boolValue ?? false }
    /// Of the certificate that it was given last.
    package var serial: String? { object["status"]?["certificate"]?["serial"]?.stringValue }

    var joined: Int64 {
        object["metadata"]?["annotations"]?[Self.joinedAnnotation]?.stringValue.flatMap { Int64($0) } ?? 0
    }

    /// What the certificates of its workloads carry. Another one after each joining: a host that was evicted and let in again is another.
    static func tag(of name: String, joined: Int64, trustDomain: String) -> HostTag {
        let digest = SHA256.digest(Array("warren host\n\(trustDomain)\n\(name)\n\(joined)".utf8))
        return HostTag(digest.prefix(HostTag.length).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// Whether this certificate of the name is one of this host, not of another that had the name before. The serial number counts too, since the
    /// clock may have been set back after the host joined (I11).
    func accepts(_ leaf: Certificate) -> Bool {
        leaf.serial == serial || leaf.notBefore + CertificateAuthority.backdating >= joined
    }

    // MARK: - Making and changing

    /// A host that joins, in place of what was there of it.
    static func joining(
        _ name: String, version: String, certificate: Certificate, now: Int64, before: NodeRecord?
    ) -> NodeRecord {
        let fresh = Value.object([
            ("apiVersion", "warren.dev/v1"), ("kind", "Node"),
            (
                "metadata",
                .object([
                    ("name", .string(name)), ("uid", .string(UniqueID.random())), ("creationTimestamp", .string(timestamp(now))),
                    ("generation", 1), ("annotations", .object([])),
                ])
            ),
            ("spec", .object([("evicted", false)])),
        ])
        let joined = Value.object([
            ("metadata", .object([("annotations", .object([(joinedAnnotation, .string("\(now)"))]))]))
        ])
        let object = MergePatch.apply(joined, to: before?.object ?? fresh)
        return NodeRecord(object: object).renewed(version: version, certificate: certificate)
    }

    /// The same host with another certificate.
    func renewed(version: String, certificate: Certificate) -> NodeRecord {
        let status = Value.object([
            (
                "status",
                .object([
                    ("version", .string(version)),
                    (
                        "certificate",
                        .object([
                            ("serial", .string(certificate.serial)), ("notAfter", .string(timestamp(certificate.notAfter))),
                        ])
                    ),
                ])
            )
        ])
        return NodeRecord(object: MergePatch.apply(status, to: object))
    }

    private init(object: Value) { self.object = object }

    /// As it is stored.
    var text: [UInt8] { ObjectText.stored(object) }
}
