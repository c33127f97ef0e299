// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The machine outside of every lab, which tests must leave as they found it.
package enum Machine {
    /// How many descriptors a program of ours may have.
    package static var descriptorLimit: Int {
        var limit = rlimit()
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_max)
    }

    /// Its namespaces by name, rules, routing rules, links, mounts, and the places that a daemon of ours would write to.
    package static func state() throws -> String {
        let outcome = try RunningCommand.run([
            "sh", "-c",
            """
            ip netns list; nft --stateless list ruleset; ip rule; ip -6 rule; ip -brief link | cut -d' ' -f1
            cut -d' ' -f2,3 /proc/self/mounts
            ls -d /etc/warren /run/warren /var/lib/warren /var/log/warren 2>/dev/null
            true
            """,
        ])
        guard outcome.succeeded else { throw LabFailure(description: "\(outcome)") }
        return outcome.out
    }
}
