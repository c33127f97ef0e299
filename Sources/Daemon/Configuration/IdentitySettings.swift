// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// How workloads get their certificates. The reason of each default stands in the table below.
package struct IdentitySettings: Sendable {
    /// The authority's files, PEM.
    package struct Authority: Sendable {
        package var certificate = "/etc/warren/ca/intermediate.pem"
        package var key = "/etc/warren/ca/intermediate-key.pem"
        package var roots = "/etc/warren/ca/root.pem"
    }

    /// Where keys of workloads rest besides memory.
    package enum Persistence: String, Sendable, CaseIterable {
        /// On tmpfs below `runDirectory`, mode 0600.
        case run
        /// On disk below `directory`, mode 0600.
        case disk
        case never
    }

    package var ca = Authority()
    package var lifetime = Interval.hours(24)
    package var persist = Persistence.run
    package var directory = "/var/lib/warren/identity"

    static let settings: [Setting] = [
        .path(
            "identity.ca.certificate", \.identity.ca.certificate,
            "The issuing CA's certificate, with those between it and the root behind it.",
            because: "`warren ca init` writes it there."),
        .path(
            "identity.ca.key", \.identity.ca.key, "The issuing CA's private key; must be readable by its owner alone.",
            because: "`warren ca init` writes it there."),
        .path(
            "identity.ca.roots", \.identity.ca.roots,
            "The roots that peers' certificates must lead to; several while a root is exchanged.",
            because: "`warren ca init` writes it there."),
        .duration(
            "identity.lifetime", \.identity.lifetime, .seconds(10) ... .hours(24 * 90),
            "How long a workload's certificate is valid; it is renewed at half of that.",
            because: "Istio's default: a stolen key is worth a day, and half a day is left to notice that renewal fails."),
        .choice(
            "identity.persist", \.identity.persist,
            "Where workloads' keys rest besides memory: on tmpfs (`run`), on `disk`, or `never`.",
            because: "A restarted daemon serves at once, and a stolen disk holds no key (I10)."),
        .path(
            "identity.directory", \.identity.directory, "Where keys lie with `persist: disk`.",
            because: "The place that the file hierarchy standard gives to a service's state."),
    ]
}
