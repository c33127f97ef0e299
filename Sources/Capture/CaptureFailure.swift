// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// Why capture couldn't be set up, verified or taken away: what failed, and what the operator can do.
package enum CaptureFailure: Error, Equatable, Sendable {
    /// The child that speaks to nftables couldn't be started, or its pipe failed.
    case childNotStarted(Errno)
    /// The child ended before it answered: libnftables ends its process where it can't go on.
    case childEnded(ProcessEnd, String)
    case childTimedOut(Interval)
    /// The child answered something else than what was agreed.
    case childUnreadable
    /// nftables refused the rules; with its own words.
    case rulesRefused(String)
    /// A policy rule, route, address or socket couldn't be asked for or changed.
    case routing(String, Errno)
    case sysctl(String, Errno)
    /// The record of what was there before couldn't be written or read: nothing is changed without it.
    case record(String, Errno)
    /// The namespace can't be entered or looked at.
    case namespace(Errno)
}

extension CaptureFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .childNotStarted(let failure): "can't start the process that loads nftables rules: \(failure)"
        case .childEnded(let end, let words):
            "the process that loads nftables rules \(Self.words(end))\(words.isEmpty ? "" : ": \(words)")"
        case .childTimedOut(let limit): "the process that loads nftables rules took longer than \(limit.milliseconds) ms"
        case .childUnreadable: "the process that loads nftables rules answered something unexpected"
        case .rulesRefused(let words): "nftables refused the rules: \(words)"
        case .routing(let what, let failure): "can't change \(what): \(failure)"
        case .sysctl(let name, let failure): "can't set \(name): \(failure)"
        case .record(let path, let failure): "can't keep \(path), the record of what capture changes: \(failure)"
        case .namespace(let failure): "can't look at the network namespace: \(failure)"
        }
    }

    /// What to do about it, in one sentence.
    package var remedy: String {
        switch self {
        case .childNotStarted, .childTimedOut: "Look for a lack of memory or processes on this host; the daemon tries again."
        case .childEnded, .childUnreadable, .rulesRefused:
            "The kernel needs nf_tables with nft_tproxy, nft_fib_inet, nft_redir, nft_reject_inet and nft_ct (CONFIG_NFT_*): "
                + "try `modprobe nft_tproxy`."
        case .routing:
            "The kernel needs CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES and CONFIG_INET_DIAG, the daemon CAP_NET_ADMIN."
        case .sysctl: "/proc/sys must be writable for the daemon (ReadWritePaths=, no ProtectKernelTunables=)."
        case .record: "The state directory must be writable for the daemon."
        case .namespace: "The daemon needs CAP_SYS_ADMIN, and the namespace must still exist."
        }
    }

    private static func words(_ end: ProcessEnd) -> String {
        switch end {
        case .exited(let code): "ended with code \(code)"
        case .killed(let signal): "was killed by signal \(signal)"
        }
    }
}
