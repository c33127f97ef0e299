// SPDX-License-Identifier: Apache-2.0

/// The labels and annotations that mean something, by their names in Kubernetes, Istio and here.
package enum WellKnown {
    package static let dataplaneMode = "istio.io/dataplane-mode"
    package static let useWaypoint = "istio.io/use-waypoint"
    package static let dryRun = "istio.io/dry-run"
    package static let tunnel = "networking.istio.io/tunnel"
    package static let trafficDistribution = "networking.istio.io/traffic-distribution"
    package static let redirection = "ambient.istio.io/redirection"
    package static let network = "topology.istio.io/network"
    package static let workloadName = "service.istio.io/workload-name"
    package static let autoRegistrationGroup = "istio.io/autoRegistrationGroup"

    /// Labels that name the application, the first that is there.
    static let canonicalNames = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]
    static let canonicalRevisions = ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]

    /// The host that runs a workload.
    package static let node = "warren.dev/node"
    /// Its name under /run/netns there.
    package static let networkNamespace = "warren.dev/network-namespace"
    /// Further addresses of the same workload, separated by commas: a WorkloadEntry has room for one.
    package static let additionalAddresses = "warren.dev/additional-addresses"
    /// The host that made a WorkloadEntry itself, which goes when that is gone for long. Set by the control plane.
    package static let registeredBy = "warren.dev/registered-by"
    /// `allow` or `drop`, on a Namespace: what happens to traffic that isn't TCP (I05).
    package static let captureNonTCP = "warren.dev/capture-non-tcp"

    static let ownPrefix = "warren.dev/"
    /// Our own annotations, by the kinds that they mean something on.
    static let ownAnnotations: [String: Set<String>] = [
        "Namespace": [captureNonTCP], "WorkloadEntry": [node, networkNamespace, additionalAddresses, registeredBy],
    ]
    /// Labels whose misspelling would leave something open.
    static let guardedLabels = [dataplaneMode, useWaypoint]
}

/// Names as Kubernetes takes them; they end up in identities, file names and log lines, so nothing else does.
enum ResourceName {
    /// RFC 1123 label: 63 letters, digits and `-`, neither first nor last.
    static func isLabel(_ text: some StringProtocol) -> Bool {
        text.utf8.count <= 63 && isPart(text)
    }

    /// Labels with dots between, 253 bytes.
    static func isSubdomain(_ text: String) -> Bool {
        text.utf8.count <= 253 && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isPart)
    }

    /// A subdomain whose labels fit DNS, in any case, and which no reader could take for an IPv4 address.
    static func isHostname(_ text: String) -> Bool {
        let parts = text.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, parts.allSatisfy(isLabel), let last = parts.last else { return false }
        return !last.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func isPart(_ text: some StringProtocol) -> Bool {
        guard let first = text.utf8.first, first != 0x2d, text.last != "-" else { return false }
        return text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
    }

    /// A label value: up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; or nothing.
    static func isLabelValue(_ text: String) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last else { return true }
        let isAlphanumeric = { (byte: UInt8) in
            (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte)
        }
        return text.utf8.count <= 63 && isAlphanumeric(first) && isAlphanumeric(last)
            && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == 0x2d || $0 == 0x5f || $0 == 0x2e }
    }

    /// A name under /run/netns: one component, nothing that a path or a terminal would act upon (I04).
    static func isNetworkNamespace(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x2f }
    }
}
