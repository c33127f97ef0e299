// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Whom a turn's work is done for. A loop gives everybody of a busy turn the same time; who needs more goes on in the next turn.
///
/// What is watched, armed or queued while a tenant's event is served belongs to the same tenant, so only what begins a chain (a listener) has to say
/// it. `none` is the daemon itself, which is never put off.
package struct Tenant: Hashable, Sendable {
    let place: UInt8

    package static let none = Tenant(place: 0)
}

/// How much of a turn each tenant has used. A value inside the loop.
///
/// Level-triggered events that are put off are told again, so putting off costs an entry in a list and nothing is lost.
struct TurnShares {
    /// What the most expensive step of a handshake takes. A request of somebody else passes four turns on its way, and each is as long as two shares
    /// of the one who floods, on a loop that may have a sixth of a processor then: with two milliseconds here requests took 60 instead of 15. The
    /// turn's fixed cost is some 20 microseconds.
    static let share = Interval.microseconds(500)
    /// Fewer events than these are served without a look at the clock: each could be at most one that is too long, and that can't be cut.
    static let crowd = 4
    /// Tenants beyond share a place, and so a share, with another.
    static let places = 255

    private var spent = ContiguousArray<UInt64>(repeating: 0, count: places + 1)
    private var turns = ContiguousArray<UInt64>(repeating: 0, count: places + 1)

    /// Whether the tenant may go on in this turn.
    func hasLeft(_ tenant: Tenant, turn: UInt64) -> Bool {
        let place = Int(tenant.place)
        return place == 0 || turns[place] != turn || spent[place] < Self.share.nanoseconds
    }

    mutating func charge(_ tenant: Tenant, _ time: Interval, turn: UInt64) {
        let place = Int(tenant.place)
        if turns[place] != turn {
            turns[place] = turn
            spent[place] = 0
        }
        spent[place] &+= time.nanoseconds
    }
}
