// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import Kernel

extension ControlConfiguration {
    /// Every setting, in the order of the reference.
    package static let settings: [SettingOf<ControlConfiguration>] = general + store + mesh + services + hosts + authority + log

    private static let general: [SettingOf<ControlConfiguration>] = [
        SettingOf(
            path: "names", form: "list of DNS names and addresses",
            meaning: "What clients call this host: these stand in its certificate, beside `localhost`.",
            reason: "Without a list, the host's name and its addresses at start.", read: readNames,
            value: { .array($0.names.map { .string($0) }) }),
        .integer(
            "port", \.port, 1...65535, "Where everything is served over TLS: the resource API, discovery, certificates, joining.",
            because: "istiod's port for discovery over TLS, which a ztunnel asks for by default."),
        .text(
            "socket", \.socket, "absolute path, at most 107 bytes",
            "The Unix socket of the resource API, where local root is admin.", because: "Where `warren` looks.",
            problem: { text in
                if text.utf8.count <= UnixSocket.maximumPath { return SettingOf<Self>.pathProblem(text) }
                return ("is longer than a socket's path may be", "Use at most \(UnixSocket.maximumPath) bytes.")
            }),
        .path(
            "directory", \.directory, "Where the store `control.db`, unless it is in etcd, and the authority's keys (`ca`) lie.",
            because: "The place that the file hierarchy standard gives to a service's state."),
        .integer(
            "metrics.port", \.metricsPort, 1...65535, "Where `/metrics` and `/healthz/ready` are answered in clear.",
            because: "istiod's port for its metrics."),
    ]

    private static let store: [SettingOf<ControlConfiguration>] = [
        .text(
            "store.etcd", \.store.etcd, "etcd://HOST:PORT,…/PREFIX, or empty",
            "The etcd cluster that keeps the state, and the prefix of its keys there; any number of control planes may share it."
                + " `etcd+http://` without TLS, to loopback addresses alone. Empty: `control.db` in the directory.",
            because: "A file of one's own needs nobody else.",
            problem: { text in
                text.isEmpty || StoreAddress(text) != nil ? nil : ("is no address of etcd", StoreSettings.form)
            }),
        etcdFile("ca", \.store.ca, "The authority that the certificates of etcd's members lead to, in PEM."),
        etcdFile(
            "certificate", \.store.certificate,
            "What is shown to etcd, in PEM: for etcd's own users its common name is the user. Read for each connection."),
        etcdFile("key", \.store.key, "Its private key."),
        .text(
            "store.user", \.store.user, "name, or empty",
            "One of etcd's own users, where they log in by password; it goes before what the certificate says.",
            because: "A certificate whose common name is the user needs no password.",
            problem: { text in
                text.utf8.count <= 128 && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7f }
                    ? nil : ("is no user's name", "Write the name as `etcdctl user list` has it.")
            }),
        etcdFile(
            "passwordFile", \.store.passwordFile,
            "A file for its owner alone whose first line is the user's password. Read for each login, which is renewed when etcd wants it."
        ),
    ]

    private static func etcdFile(
        _ name: String, _ place: any WritableKeyPath<ControlConfiguration, String> & Sendable, _ meaning: String
    ) -> SettingOf<ControlConfiguration> {
        .text(
            "store.\(name)", place, "absolute path, or empty", meaning, because: "Only etcd needs it.",
            problem: { $0.isEmpty ? nil : SettingOf<ControlConfiguration>.pathProblem($0) })
    }

    @Sendable private static func readNames(_ key: String, _ fields: Fields, _ configuration: inout ControlConfiguration) {
        guard fields.value(key) != nil else { return }
        let names = fields.elements(key).map(\.stringValue)
        let good = names.allSatisfy { name in
            guard let name else { return false }
            return IPAddress(name) != nil || isHostName(name)
        }
        guard good, !names.isEmpty, names.count <= 64 else {
            return fields.report(
                key, "\(fields.path(of: key)) isn't a list of 1 to 64 DNS names and addresses",
                remedy: "Write it like [control.example.org, 192.0.2.7].")
        }
        configuration.names = names.compactMap { $0 }
    }

    private static func isHostName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy {
                        (0x61...0x7a).contains($0) || (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d
                    }
            }
    }

    private static let mesh: [SettingOf<ControlConfiguration>] = [
        .text(
            "mesh.trustDomain", \.mesh.trustDomain, "trust domain",
            "The trust domain of all identities. It can't be changed later: certificates carry it.", because: "Istio's default.",
            problem: {
                SPIFFEID.isTrustDomain($0)
                    ? nil : ("is no SPIFFE trust domain", "Use lower-case letters, digits, `.`, `-` and `_`.")
            }),
        .text(
            "mesh.clusterName", \.mesh.clusterName, "name", "The cluster in workload uids, baggage and metrics.",
            because: "Istio's default.", problem: DaemonConfiguration.nameProblem),
        .text(
            "mesh.clusterDomain", \.mesh.clusterDomain, "DNS suffix",
            "The suffix of service hostnames: NAME.NAMESPACE.svc.SUFFIX.", because: "Kubernetes' default.",
            problem: DaemonConfiguration.nameProblem),
        .text(
            "mesh.rootNamespace", \.mesh.rootNamespace, "namespace name",
            "The namespace whose policies without a selector apply to every workload.", because: "Istio's default.",
            problem: DaemonConfiguration.nameProblem),
        .text(
            "mesh.network", \.mesh.network, "name, may be empty",
            "The network of addresses that name none; within one every address is unique and reachable.",
            because: "One network is what most meshes have; Istio calls it the empty name.",
            problem: { $0.isEmpty ? nil : DaemonConfiguration.nameProblem($0) }),
    ]

    private static let services: [SettingOf<ControlConfiguration>] = [
        SettingOf(
            path: "services.ipv4", form: "IPv4 block, or none",
            meaning: "Where a Service without an address gets one from: the address is virtual, nobody needs to route it.",
            reason: "The block from which Istio allocates; no host on the Internet has such an address.",
            read: { key, fields, configuration in
                readBlock(key, fields, .v4) { configuration.services.ipv4 = $0 }
            }, value: { .string($0.services.ipv4?.description ?? "none") }),
        SettingOf(
            path: "services.ipv6", form: "IPv6 block, or none", meaning: "The same for IPv6.",
            reason: "Of the block from which Istio allocates, as many as fit in memory.",
            read: { key, fields, configuration in
                readBlock(key, fields, .v6) { configuration.services.ipv6 = $0 }
            }, value: { .string($0.services.ipv6?.description ?? "none") }),
        .duration(
            "services.quarantine", \.services.quarantine, .zero ... .hours(24),
            "How long the address of a deleted Service isn't given out again.",
            because: "Clients remember names' addresses for minutes; a connection must not reach another service (I23)."),
    ]

    private static func readBlock(
        _ key: String, _ fields: Fields, _ family: IPAddress.Family, _ take: (IPPrefix?) -> Void
    ) {
        guard let text = fields.string(key) else { return }
        if text == "none" { return take(nil) }
        guard let block = IPPrefix(text), block.address.family == family, block.length <= block.address.bitCount - 2 else {
            return fields.report(
                key, "\(fields.path(of: key)) is \"\(text)\", which is no block of the kind with at least four addresses",
                remedy: "Write it like \(family == .v4 ? "240.240.0.0/16" : "2001:2::/112"), or none.")
        }
        take(block)
    }

    private static let hosts: [SettingOf<ControlConfiguration>] = [
        .duration(
            "hosts.grace", \.hosts.grace, .seconds(1) ... .hours(24 * 30),
            "How long a host may be away before the workloads are removed that it registered itself. What others wrote stays.",
            because:
                "A reboot is shorter. It counts while the control plane is up, and begins anew with it; endpoints are unhealthy after 30 s already."
        )
    ]

    private static let authority: [SettingOf<ControlConfiguration>] = [
        given(
            "certificate", \.authority.certificate, "The issuing CA's certificate, with those between it and the root behind it."),
        given("key", \.authority.key, "The issuing CA's private key; must be readable by its owner alone."),
        given("roots", \.authority.roots, "The roots that certificates lead to."),
        .duration(
            "authority.lifetime", \.authority.lifetime, .seconds(10) ... .hours(24 * 90),
            "How long a workload's certificate is valid at most.", because: "Istio's default: a stolen key is worth a day."),
        .duration(
            "authority.nodeLifetime", \.authority.nodeLifetime, .seconds(10) ... .hours(24 * 365),
            "How long a host's certificate is valid; hosts renew it at half of that.",
            because:
                "A control plane that is down over a long weekend is found again by every host; who is evicted is refused at once whatever this says."
        ),
    ]

    private static func given(
        _ name: String, _ place: any WritableKeyPath<ControlConfiguration, String> & Sendable, _ meaning: String
    ) -> SettingOf<ControlConfiguration> {
        .text(
            "authority.\(name)", place, "absolute path, or empty", meaning + " Empty: made at first start.",
            because: "A root of its own is what a new mesh needs; who has a CA gives its files.",
            problem: { $0.isEmpty ? nil : SettingOf<ControlConfiguration>.pathProblem($0) })
    }

    private static let log: [SettingOf<ControlConfiguration>] = [
        .text(
            "log.level", \.log.level, "level, or `level,scope:level`",
            "How much is logged: off, error, warn, info, debug; for all scopes or for one.",
            because: "Every line at info is something that an operator may have to know.", problem: LogSettings.levelProblem),
        .choice(
            "log.format", \.log.format, "`text` for people, `json` for one object per line.",
            because: "journalctl is read by people first."),
    ]
}
