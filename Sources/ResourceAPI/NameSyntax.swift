// SPDX-License-Identifier: Apache-2.0

/// Names as Kubernetes takes them, with the sentences that its API server says about others.
enum NameSyntax {
    /// RFC 1123 label.
    static func isLabel(_ text: String) -> Bool { !text.contains(".") && text.utf8.count <= 63 && LabelSyntax.isSubdomain(text) }

    /// RFC 1035 label: as above, and begins with a letter.
    static func isService(_ text: String) -> Bool {
        guard let first = text.utf8.first else { return false }
        return isLabel(text) && (0x61...0x7a).contains(first)
    }

    /// What is wrong with a name; nil if nothing is.
    static func fault(_ name: String, _ rule: NameRule) -> String? {
        switch rule {
        case .subdomain:
            if name.utf8.count > 253 { return "must be no more than 253 bytes" }
            return LabelSyntax.isSubdomain(name) ? nil : subdomainRule
        case .label:
            if name.utf8.count > 63 { return "must be no more than 63 bytes" }
            return isLabel(name) ? nil : labelRule
        case .service:
            if name.utf8.count > 63 { return "must be no more than 63 bytes" }
            return isService(name) ? nil : serviceRule
        }
    }

    static let subdomainRule =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
        + "alphanumeric character (e.g. 'example.com', regex used for validation is "
        + "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

    static let labelRule =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
        + "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

    static let serviceRule =
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
        + "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

    static let labelKeyRule =
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
        + "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

    static let labelValueRule =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        + "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
        + "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
}
