// SPDX-License-Identifier: Apache-2.0

internal import Bytes

/// What a server holds of bodies that aren't whole or aren't asked for: within a bound for all and one for each address, so that no stranger's slow
/// uploads fill the memory, or leave nothing for others. A value inside the server.
struct HeldBodies {
    private let limit: Int
    private let limitPerAddress: Int
    private(set) var count = 0
    private var byAddress: [IPAddress: Int] = [:]

    init(limit: Int, perAddress: Int) {
        self.limit = limit
        limitPerAddress = perAddress
    }

    /// Makes room for bytes of this client; false if it, or all together, hold too many. Local clients (nil) count with all alone.
    mutating func hold(_ more: Int, for address: IPAddress?) -> Bool {
        guard more <= limit - count else { return false }
        if let address {
            let held = byAddress[address, default: 0]
            guard more <= limitPerAddress - held else { return false }
            byAddress[address] = held + more
        }
        count += more
        return true
    }

    mutating func release(_ less: Int, for address: IPAddress?) {
        guard less > 0 else { return }
        count -= less
        guard let address, let held = byAddress[address] else { return }
        byAddress[address] = held > less ? held - less : nil
    }
}

/// An exchange that keeps account of what is made of its bytes, beyond the window: for messages that are larger than one.
protocol BodyHolder: AnyObject {
    /// Makes room for so many bytes that were consumed and are kept all the same. False: there is none.
    func hold(_ count: Int) -> Bool
    func release(_ count: Int)
}

extension IPAddress {
    /// Whom a share belongs to: an IPv6 client has its whole /64 and could come from another address each time.
    var site: IPAddress {
        guard family == .v6 else { return self }
        return IPAddress(v6High: mapped.0, 0)
    }
}
