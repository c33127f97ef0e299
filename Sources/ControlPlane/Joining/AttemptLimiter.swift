// SPDX-License-Identifier: Apache-2.0

package import Bytes
package import Kernel

/// How often an address may be wrong about who it is. Secrets have 256 bits and need no such help; it is the store and the processor that are
/// spared. Bounded: who floods from many addresses pushes out those that were wrong longest ago. On the loop of the API.
package struct AttemptLimiter {
    private struct Account {
        var left: Double
        var time: Instant
    }

    /// Failures at once, and how long one takes to be forgotten: a person who pastes the wrong line stays well below.
    private static let burst = 10.0
    private static let secondsEach = 5.0
    private static let maximumAddresses = 4096

    private var accounts: [IPAddress: Account] = [:]

    package init() {}

    /// Whether the address may still try.
    package func allows(_ address: IPAddress?, now: Instant) -> Bool {
        guard let address, let account = accounts[Self.key(address)] else { return true }
        return Self.left(account, now) >= 1
    }

    /// It failed once more. False if it had no more to spend.
    package mutating func failed(_ address: IPAddress?, now: Instant) -> Bool {
        guard let address else { return true }
        let key = Self.key(address)
        let left = accounts[key].map { Self.left($0, now) } ?? Self.burst
        if accounts[key] == nil && accounts.count >= Self.maximumAddresses { makeRoom(now) }
        accounts[key] = Account(left: max(0, left - 1), time: now)
        return left >= 1
    }

    private static func left(_ account: Account, _ now: Instant) -> Double {
        min(burst, account.left + now.since(account.time).seconds / secondsEach)
    }

    private mutating func makeRoom(_ now: Instant) {
        accounts = accounts.filter { Self.left($0.value, now) < Self.burst }
        guard accounts.count >= Self.maximumAddresses else { return }
        // An eighth at once, so that a flood doesn't sort the table each time.
        for (key, _) in accounts.sorted(by: { $0.value.time < $1.value.time }).prefix(Self.maximumAddresses / 8) {
            accounts[key] = nil
        }
    }

    /// Who has one IPv6 address has the other 2^64 of its network too.
    static func key(_ address: IPAddress) -> IPAddress {
        address.family == .v4 ? address : IPAddress(v6High: address.mapped.high, 0)
    }
}
