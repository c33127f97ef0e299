// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Documents
package import Kernel

/// What /etc/warren/warren-control.yaml says: every knob of the control plane with its default. A value, read once at start. None is needed: without
/// a file everything is as it stands here.
package struct ControlConfiguration: ConfigurationTable {
    /// What clients may call this host: the names and addresses of its certificate.
    package var names: [String]
    package var port: UInt16 = 15012
    package var socket = "/run/warren/control.sock"
    package var directory = "/var/lib/warren"
    package var metricsPort: UInt16 = 15014
    package var store = StoreSettings()
    package var mesh = ControlMeshSettings()
    package var services = ServiceAddressSettings()
    package var authority = AuthoritySettings()
    package var hosts = HostSettings()
    package var log = LogSettings()

    /// All defaults.
    package init(names: [String]) { self.names = names }

    package static let standard = ControlConfiguration(names: [])
    package static let otherDocuments = "resources go to `warren apply`"
    /// Where the file lies unless `warren-control --config` says otherwise.
    package static let standardPath = "/etc/warren/warren-control.yaml"

    /// SQLite's file.
    package var storeFile: String { "\(directory)/control.db" }
    /// Where keys of ours lie.
    package var authorityDirectory: String { "\(directory)/ca" }

    package func check(_ root: Fields) {
        if port == metricsPort {
            root.report("metrics", "port and metrics.port are both \(port)", remedy: "Choose two ports.")
        }
        if let (key, message, remedy) = store.problem { root.report(key, message, remedy: remedy) }
        let given = [authority.certificate, authority.key, authority.roots].filter { !$0.isEmpty }.count
        if given != 0, given != 3 {
            root.report(
                "authority", "of authority.certificate, authority.key and authority.roots only \(given) are given",
                remedy: "Give all three, or none to have them made.")
        }
    }
}

/// Where the store is.
package struct StoreSettings: Sendable {
    package init() {}

    /// Empty: SQLite, in the state's directory.
    package var etcd = ""
    package var ca = ""
    package var certificate = ""
    package var key = ""
    /// One of etcd's own users; empty: who we are the certificate says.
    package var user = ""
    package var passwordFile = ""

    /// What doesn't fit together.
    package var problem: (key: String, message: String, remedy: String)? {
        guard !etcd.isEmpty else { return nil }
        guard let address = StoreAddress(etcd) else {
            return ("store", "store.etcd is \"\(etcd)\", which is no address of etcd", Self.form)
        }
        if certificate.isEmpty != key.isEmpty {
            return (
                "store", "of store.certificate and store.key only one is given",
                "Give both, or none if etcd asks for no certificate."
            )
        }
        if user.isEmpty != passwordFile.isEmpty {
            return (
                "store", "of store.user and store.passwordFile only one is given",
                "Give both, or none if a certificate says who this is."
            )
        }
        if !address.isPlain, ca.isEmpty {
            return ("store", "store.ca is missing", "Name the file with the authority of etcd's certificates.")
        }
        return nil
    }

    /// How an address of etcd is written: a sentence.
    package static let form =
        "Write etcd://HOST:PORT,HOST:PORT/PREFIX, or etcd+http://127.0.0.1:2379/PREFIX for one on this host that has no TLS."
}

/// What the mesh is called. The same settings as `mesh` of warrend, with the same defaults and reasons.
package struct ControlMeshSettings: Sendable {
    package var trustDomain = "cluster.local"
    package var clusterName = "Kubernetes"
    package var clusterDomain = "cluster.local"
    package var rootNamespace = "istio-system"
    package var network = ""
}

/// Where services without an address get theirs from.
package struct ServiceAddressSettings: Sendable {
    package var ipv4 = IPPrefix("240.240.0.0/16")
    package var ipv6 = IPPrefix("2001:2::/112")
    package var quarantine = Interval.minutes(10)
}

/// How hosts that are away are dealt with.
package struct HostSettings: Sendable {
    package var grace = Interval.minutes(10)
}

/// The certificate authority.
package struct AuthoritySettings: Sendable {
    /// Empty: made at first start, in the state's directory.
    package var certificate = ""
    package var key = ""
    package var roots = ""
    package var lifetime = Interval.hours(24)
    package var nodeLifetime = Interval.hours(168)
}
