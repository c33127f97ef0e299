// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents
internal import Kernel

/// What the kernel and the host must offer.
extension Checker {
    mutating func checkKernel() {
        checkNFTables()
        checkIPv6()
        checkMarks()
        checkDescriptors()
    }

    private mutating func checkNFTables() {
        guard let failure = host.nftables() else { return ok("nftables", "the kernel takes nftables rules") }
        if failure == .notPermitted || failure == .accessDenied {
            if host.userID() == 0 {
                return fail(
                    "nftables", "nftables may not be used here, not even by root: \(failure)",
                    remedy: "warrend needs CAP_NET_ADMIN; in a container, grant it.")
            }
            return skip("nftables", "only root can ask the kernel for nftables", remedy: "Run `sudo warren check`.")
        }
        fail(
            "nftables", "the kernel has no nftables: \(failure)",
            remedy: "Load it (modprobe nf_tables), or use a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET.")
    }

    private mutating func checkIPv6() {
        guard let disabled = host.text("/proc/sys/net/ipv6/conf/all/disable_ipv6") else {
            return ok("ipv6", "this kernel has no IPv6: only IPv4 is captured")
        }
        if disabled.hasPrefix("1") {
            warn(
                "ipv6", "IPv6 is switched off on this host; workloads' namespaces have a switch of their own",
                remedy: "Nothing, unless workloads shall speak IPv6: sysctl net.ipv6.conf.all.disable_ipv6=0.")
        } else {
            ok("ipv6", "IPv6 is on, and captured like IPv4")
        }
    }

    /// Without this an application's answers could leave in clear when connection tracking forgets (I03).
    private mutating func checkMarks() {
        let path = "/proc/sys/net/ipv4/tcp_fwmark_accept"
        if host.text(path) == nil {
            fail("kernel.marks", "\(path) isn't there", remedy: "Use Linux 3.16 or newer, with /proc/sys mounted.")
        } else {
            ok("kernel.marks", "accepted sockets can inherit their mark")
        }
    }

    private mutating func checkDescriptors() {
        let process = status?["process"]?.integerValue.map { String($0) } ?? "self"
        let name = "Max open files"
        guard let line = host.text("/proc/\(process)/limits")?.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let hard = line.dropFirst(name.count).split(separator: " ").dropFirst().first
        else { return skip("descriptors", "/proc/\(process)/limits can't be read") }
        // Two sockets per connection, and a reserve.
        let wanted = configuration.limits.workloadConnections * 2 + configuration.limits.reservedDescriptors
        guard let limit = Int(hard), limit < wanted else { return ok("descriptors", "up to \(hard) may be open") }
        warn(
            "descriptors", "only \(limit) may be open, but one workload's connections alone may need \(wanted)",
            remedy: "Set LimitNOFILE=1048576 in the unit of warrend, or lower limits.workloadConnections.")
    }

    mutating func checkPorts() {
        let ports = [("metrics.port", configuration.metrics.port), ("readiness.port", configuration.readiness.port)]
        for (name, port) in ports {
            let failure = host.listen(port)
            switch (failure, status) {
            case (.addressInUse?, .some): ok(name, "\(port) is served")
            case (.addressInUse?, nil):
                fail(
                    name, "\(port) is taken by another program, and warrend doesn't run",
                    remedy: "`ss -ltnp 'sport = :\(port)'` shows by whom; end it, or set \(name).")
            case (nil, .some):
                warn(
                    name, "\(port) is free although warrend runs: it serves elsewhere, or in another network namespace",
                    remedy: "Run this in warrend's namespace, or name its configuration with --config.")
            case (nil, nil): ok(name, "\(port) is free")
            case (let failure?, _): fail(name, "\(port) can't be used: \(failure)", remedy: "Set \(name) to another port.")
            }
        }
    }
}
