// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Kernel

/// Which processes of this host may reach captured workloads in plain, as a value: the text of one nftables transaction for the host's own
/// namespace.
///
/// A connection is known by the kernel's owner of its socket, not by an address, so there is nothing to forge (I06): only packets that a
/// socket of this namespace sends pass the output hook; what other hosts or namespaces send never does. It is redirected to a listener of
/// ours in this namespace, which dials the application itself. Without exemptions there are no rules at all.
package struct ProbeRules: Equatable, Sendable {
    /// Whose connections, and to which ports.
    package struct Exemption: Equatable, Sendable {
        package enum Caller: Equatable, Sendable {
            /// The user of the socket.
            case user(UInt32)
            /// The control group of the socket's process, or one below it: a path of the unified hierarchy, `/system.slice/kubelet.service`.
            case cgroup(ControlGroup)
        }

        package let caller: Caller
        package let ports: [UInt16]

        package init(caller: Caller, ports: [UInt16]) {
            self.caller = caller
            self.ports = ports
        }
    }

    /// The table in the host's namespace.
    package static let table = "inet warren-probes"

    package var exemptions: [Exemption]
    /// The addresses of captured workloads on this host.
    package var enrolled: [IPAddress]
    /// Where our listener for them stands, on every address of the host's namespace.
    package var port: UInt16

    package init(exemptions: [Exemption], enrolled: [IPAddress], port: UInt16) {
        self.exemptions = exemptions
        self.enrolled = enrolled
        self.port = port
    }

    /// The table as a whole, in place of any that is there; none where nobody is exempt or nobody enrolled.
    package var text: String {
        guard !exemptions.isEmpty, !enrolled.isEmpty else { return Self.absentText }
        let families = [(IPAddress.Family.v4, "ip"), (.v6, "ip6")].filter { family, _ in enrolled.contains { $0.family == family }
        }
        let sets = families.map { set($0, $1) }.joined()
        let rules = families.flatMap { _, name in exemptions.map { rule($0, name) } }.map { "        \($0)\n" }.joined()
        return Self.absentText + """
            table \(Self.table) {
            \(sets)    chain probing {
                    type nat hook output priority -101; policy accept;
            \(rules)    }
            }

            """
    }

    /// Takes the table away, if there is one.
    package static let absentText = "add table \(table)\ndelete table \(table)\n"

    private func set(_ family: IPAddress.Family, _ name: String) -> String {
        let elements = Set(enrolled.filter { $0.family == family }).sorted().map(\.description)
        return """
                set enrolled-\(name) {
                    type \(family == .v4 ? "ipv4_addr" : "ipv6_addr")
                    elements = { \(elements.joined(separator: ", ")) }
                }

            """
    }

    /// Our own connections bear our mark and are never sent to ourselves. Only a SYN, so that adding the rule cuts nothing.
    private func rule(_ exemption: Exemption, _ family: String) -> String {
        let ports = Set(exemption.ports).sorted().map(\.description).joined(separator: ", ")
        let caller =
            switch exemption.caller {
            case .user(let number): "meta skuid \(number)"
            case .cgroup(let group): "socket cgroupv2 level \(group.depth) \"\(group.path)\""
            }
        let mark = "meta mark & 0x\(String(Mark.mask, radix: 16)) != 0x\(String(Mark.outside, radix: 16))"
        return
            "\(family) daddr @enrolled-\(family) tcp dport { \(ports) } tcp flags & (fin|syn|rst|ack) == syn \(mark) \(caller) "
            + "redirect to :\(port)"
    }
}

/// A control group of the unified hierarchy.
package struct ControlGroup: Hashable, Sendable {
    /// Below the root, without a slash at the ends.
    package let path: String

    /// Where the hierarchy is mounted; nft looks there too.
    package static let root = "/sys/fs/cgroup"

    /// How many names the path has.
    package var depth: Int { path.split(separator: "/").count }

    /// Nil if it isn't a path that can be written in a rule: names of printable ASCII without quote and backslash, no `.` or `..`.
    package init?(_ text: String) {
        let names = text.split(separator: "/").map(String.init)
        guard !names.isEmpty, text.utf8.count <= 1024 else { return nil }
        for name in names where name == "." || name == ".." || !name.utf8.allSatisfy(Self.isAllowed) { return nil }
        path = names.joined(separator: "/")
    }

    private static func isAllowed(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7f && byte != 0x22 && byte != 0x5c }

    /// Whether the group is there now. nft refuses a rule with one that isn't, and a group that comes back after it was gone is another: the
    /// rules have to be loaded again.
    package var exists: Bool { (try? File.status("\(Self.root)/\(path)"))?.kind == .directory }
}
