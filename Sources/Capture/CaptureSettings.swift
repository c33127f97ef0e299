// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// A kernel setting of the workload's namespace that capture changes, and puts back on release.
package struct KernelSetting: Hashable, Sendable {
    /// Below `/proc/sys`: `net/ipv4/tcp_fwmark_accept`.
    package let name: String
    package let value: String
    /// Whether a kernel without it will do.
    let isOptional: Bool

    /// What capture needs, and why.
    package static let needed = [
        // The application's accepted socket takes the mark of the SYN: its answers find us, or the wire, without connection tracking.
        // IPv6 has no setting of its own: the kernel reads this one for both.
        KernelSetting("net/ipv4/tcp_fwmark_accept", "1"),
        // The same for resets and other answers that have no socket.
        KernelSetting("net/ipv4/fwmark_reflect", "1"),
        KernelSetting("net/ipv6/fwmark_reflect", "1", isOptional: true),
        // The check of a source address looks at the routes that the answer will take, not at our own.
        KernelSetting("net/ipv4/conf/all/src_valid_mark", "1"),
        // One client address has 28,232 ports towards one server; those in TIME_WAIT may be taken again after a second (I15).
        KernelSetting("net/ipv4/tcp_tw_reuse", "1"),
        // Redirected plain connections hang on connection tracking, and half-closed ones may be silent for as long as we let them be (I14).
        KernelSetting("net/netfilter/nf_conntrack_tcp_timeout_close_wait", "3600", isOptional: true),
        KernelSetting("net/netfilter/nf_conntrack_tcp_timeout_fin_wait", "3600", isOptional: true),
    ]

    init(_ name: String, _ value: String, isOptional: Bool = false) {
        self.name = name
        self.value = value
        self.isOptional = isOptional
    }

    private var path: String { "/proc/sys/\(name)" }

    /// The value now, in the namespace where the thread stands; nil if this kernel doesn't have it.
    func current() throws(CaptureFailure) -> String? {
        do {
            let bytes = try File.read(path, limit: 4096)
            return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        } catch {
            if isOptional && error == .noSuchFile { return nil }
            throw .sysctl(dotted, error)
        }
    }

    func set(_ value: String) throws(CaptureFailure) {
        do { try File.write(path, value) } catch {
            if isOptional && error == .noSuchFile { return }
            throw .sysctl(dotted, error)
        }
    }

    /// As `sysctl` writes it.
    var dotted: String { String(name.map { $0 == "/" ? "." : $0 }) }
}
