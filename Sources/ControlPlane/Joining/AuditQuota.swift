// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// How many lines about refusals one asker may fill the log with: a host whose grant was taken away asks again and again. What isn't written is
/// counted, and told with the next line that is, or by who asks for what nobody came back for. Bounded. A value; on one thread.
package struct AuditQuota: Sendable {
    private struct Account {
        var since: Instant
        var lines = 0
        var dropped = 0
    }

    private static let window = Interval.seconds(60)
    private let lines: Int
    private static let maximumAskers = 1024

    private var accounts: [String: Account] = [:]
    /// Of those that were forgotten because others came.
    private var forgotten = 0

    /// - Parameter lines: for one asker in a minute.
    package init(lines: Int = 20) { self.lines = lines }

    /// What goes behind a line, of what `take` says.
    package static func words(_ dropped: Int) -> String { dropped > 0 ? " (and \(dropped) before that weren't written)" : "" }

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

    /// Whose lines were left out in a minute that is over, and how many. Each is told once; nil stands for askers who are forgotten.
    package mutating func takeDropped(now: Instant) -> [(asker: String?, dropped: Int)] {
        var found: [(asker: String?, dropped: Int)] = []
        for (asker, account) in accounts.sorted(by: { $0.key < $1.key }) where now.since(account.since) >= Self.window {
            accounts[asker] = nil
            if account.dropped > 0 { found.append((asker, account.dropped)) }
        }
        if forgotten > 0 { found.append((nil, forgotten)) }
        forgotten = 0
        return found
    }

    /// Forgets those who were silent for a while, or everybody: then some write a few lines more than they should.
    private mutating func makeRoom(_ now: Instant) {
        let before = accounts.values.reduce(0) { $0 + $1.dropped }
        accounts = accounts.filter { now.since($0.value.since) < Self.window }
        if accounts.count >= Self.maximumAskers { accounts = [:] }
        forgotten += before - accounts.values.reduce(0) { $0 + $1.dropped }
    }
}
