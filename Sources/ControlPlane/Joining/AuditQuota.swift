// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// How many lines about refusals one asker may fill the log with: a host whose grant was taken away asks again and again. What isn't written is
/// counted, and told with the next line that is. Bounded. On the loop of the API.
package struct AuditQuota {
    private struct Account {
        var since: Instant
        var lines = 0
        var dropped = 0
    }

    private static let window = Interval.seconds(60)
    private let lines: Int
    private static let maximumAskers = 1024

    private var accounts: [String: Account] = [:]

    /// - Parameter lines: for one asker in a minute.
    package init(lines: Int = 20) { self.lines = lines }

    /// Whether a line may be written now: how many were left out before it; nil if it is left out too.
    package mutating func take(_ asker: String, now: Instant) -> Int? {
        if accounts[asker] == nil, accounts.count >= Self.maximumAskers { makeRoom(now) }
        var account = accounts[asker] ?? Account(since: now)
        defer { accounts[asker] = account }
        if now.since(account.since) >= Self.window {
            let dropped = account.dropped
            account = Account(since: now, lines: 1)
            return dropped
        }
        guard account.lines < lines else {
            account.dropped += 1
            return nil
        }
        account.lines += 1
        return 0
    }

    /// Forgets those who were silent for a while, or everybody: then some write a few lines more than they should.
    private mutating func makeRoom(_ now: Instant) {
        accounts = accounts.filter { now.since($0.value.since) < Self.window }
        if accounts.count >= Self.maximumAskers { accounts = [:] }
    }
}
