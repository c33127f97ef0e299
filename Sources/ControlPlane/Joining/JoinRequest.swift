// SPDX-License-Identifier: Apache-2.0

package import Documents
package import ResourceAPI

/// What a host sends to become a member: `{"token", "node", "csr", "version"}`.
package struct JoinRequest: Hashable, Sendable {
    package let token: String
    package let node: String
    /// PEM.
    package let csr: [UInt8]
    package let version: String

    /// The body of a request; nothing larger is read. A request for a certificate of an RSA key has under 3 KiB.
    package static let maximumBody = 32 * 1024

    package init(token: String, node: String, csr: [UInt8], version: String) {
        self.token = token
        self.node = node
        self.csr = csr
        self.version = version
    }

    package init(_ document: Value) throws(APIStatus) {
        let findings = FindingList(limit: 20)
        let fields = Fields(document, findings: findings)
        self.init(
            token: fields.requiredString("token"), node: fields.requiredString("node"),
            csr: Array(fields.requiredString("csr").utf8), version: RenewRequest.version(fields))
        fields.finish()
        try RenewRequest.check(findings)
    }
}

/// What a host sends for its next certificate: `{"csr", "version"}`.
package struct RenewRequest: Hashable, Sendable {
    /// PEM.
    package let csr: [UInt8]
    package let version: String

    package init(csr: [UInt8], version: String) {
        self.csr = csr
        self.version = version
    }

    package init(_ document: Value) throws(APIStatus) {
        let findings = FindingList(limit: 20)
        let fields = Fields(document, findings: findings)
        self.init(csr: Array(fields.requiredString("csr").utf8), version: Self.version(fields))
        fields.finish()
        try Self.check(findings)
    }

    /// It is shown to people: short, and nothing that a terminal would act upon.
    static func version(_ fields: Fields) -> String {
        let text = fields.string("version") ?? ""
        guard text.utf8.count <= 64, text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
            fields.report("version", "this is no version", remedy: "Write up to 64 printable characters.")
            return ""
        }
        return text
    }

    static func check(_ findings: FindingList) throws(APIStatus) {
        guard findings.hasErrors else { return }
        throw APIStatus(
            .badRequest, findings.findings.map { "\($0.message). \($0.remedy)" }.joined(separator: " "))
    }
}
