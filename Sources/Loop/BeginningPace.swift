// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// What begins. Each kind is counted by itself: a peer that floods a workload's tunnels doesn't stop what the workload begins.
package enum Beginning: Int, CaseIterable, Sendable {
    /// A connection of the tenant's own.
    case outgoing
    /// A connection to it that comes in plain.
    case incoming
    /// A tunnel to it.
    case tunnel
    /// A connection to it within a tunnel.
    case request
}

/// How fast a tenant's connections may begin on a strained loop that others need too. A value inside the loop.
///
/// A beginning costs a hundred times what a small piece of bytes does, and whoever makes connections as fast as they come keeps a loop awake
/// without end. A thread that never sleeps waits for a processor like any other that computes: all that the loop serves then waits for
/// milliseconds, four times for each request, however short its turns are. So, while a loop is strained and serves others, each tenant's
/// beginnings are spaced, wider and wider until the loop has time again or the tenant is down to what it always has; what comes faster waits in the
/// kernel's queue, or in its tunnel, at the expense of whoever sends it. Who is alone, or on a loop that has time, isn't held up
/// (docs/decisions/0026).
struct BeginningPace {
    /// In how many parts the price of a beginning is told.
    static let whole: UInt64 = 8
    /// What may be saved up: an application that starts, or is called by many at once, begins so much time's worth together.
    private static let saved: UInt64 = 250_000_000
    /// How long another tenant is thought of after it was last served.
    private static let memory = Interval.seconds(1)
    /// No loop begins more than one in this time: spaced closer isn't spaced.
    private static let closest: UInt64 = 16_000

    private struct Service {
        var tenant = Tenant.none
        var at = Instant(nanoseconds: 0)
    }

    /// Nanoseconds between two beginnings of a tenant; zero while there is no strain. And the most that it becomes.
    private var spacing: UInt64 = 0
    private let widest: UInt64
    private var judged: Instant
    /// By tenant and kind, the nanoseconds that there are, and when that was true.
    private var balances = ContiguousArray<UInt64>(repeating: Self.saved, count: Self.accounts)
    private var times = ContiguousArray<UInt64>(repeating: 0, count: Self.accounts)
    /// Who was served last, and who before it: one of them is another than whoever asks.
    private var latest = Service()
    private var former = Service()

    /// - Parameter perSecond: what a tenant may always begin.
    init(perSecond: Int, now: Instant) {
        widest = min(Self.saved, max(Self.closest, 1_000_000_000 / UInt64(max(1, perSecond))))
        judged = now
    }

    /// Something of the tenant's was served.
    mutating func served(_ tenant: Tenant, now: Instant) {
        guard tenant != .none else { return }
        if latest.tenant != tenant { (former, latest) = (latest, Service(tenant: tenant)) }
        latest.at = now
    }

    /// How the loop was until now.
    mutating func judge(isStrained: Bool, now: Instant) {
        if isStrained {
            spacing = min(widest, max(Self.closest, spacing * 2))
        } else {
            // Half a second of ease, or a pause, and it is as if nothing had been.
            spacing = now.since(judged) < Self.memory ? spacing - (spacing + 7) / 8 : 0
            if spacing < Self.closest { spacing = 0 }
        }
        judged = now
    }

    /// Whether the tenant may begin a connection of this kind now.
    func mayBegin(_ tenant: Tenant, _ kind: Beginning, now: Instant) -> Bool {
        guard spacing > 0, isShared(beside: tenant, now: now) else { return true }
        return balance(Self.account(tenant, kind), now: now) >= spacing
    }

    /// The tenant began a connection.
    /// - Parameter parts: of `whole`, what it costs.
    mutating func began(_ tenant: Tenant, _ kind: Beginning, parts: UInt64 = whole, now: Instant) {
        guard tenant != .none, spacing > 0 else { return }
        let account = Self.account(tenant, kind)
        let balance = balance(account, now: now)
        // Who was alone until now owes nothing for it.
        balances[account] = balance - min(balance, spacing * parts / Self.whole)
        times[account] = now.nanoseconds
    }

    private func isShared(beside tenant: Tenant, now: Instant) -> Bool {
        guard tenant != .none else { return false }
        let other = latest.tenant == tenant ? former : latest
        return other.tenant != .none && now.since(other.at) < Self.memory
    }

    private func balance(_ account: Int, now: Instant) -> UInt64 {
        let passed = now.nanoseconds - min(times[account], now.nanoseconds)
        return min(Self.saved, balances[account] + min(passed, Self.saved))
    }

    private static let accounts = (TurnShares.places + 1) * Beginning.allCases.count

    private static func account(_ tenant: Tenant, _ kind: Beginning) -> Int {
        Int(tenant.place) * Beginning.allCases.count + kind.rawValue
    }
}
