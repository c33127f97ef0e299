// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel
internal import Loop
internal import Synchronization

/// What the workers of a daemon know of each other: how much each carries, and how a fresh connection is passed on.
///
/// The kernel wakes the first loop that sleeps, so one loop would get nearly everything that comes while there is little to do, and keep it
/// when there is much. Counts are read without order: an old one costs a detour, nothing else. Any thread.
final class WorkerFleet: Sendable {
    /// What is weighed: tunnels cost by what flows in them, so they are spread by their own number.
    enum Load {
        case connections
        case tunnels
    }

    private final class Member: Sendable {
        let mailbox: Mailbox<WorkerMessage>
        let connections = Atomic<Int>(0)
        let tunnels = Atomic<Int>(0)

        init(_ mailbox: Mailbox<WorkerMessage>) { self.mailbox = mailbox }

        func count(_ load: Load) -> Int {
            switch load {
            case .connections: connections.load(ordering: .relaxed)
            case .tunnels: tunnels.load(ordering: .relaxed)
            }
        }
    }

    private let members: [Member]

    init(_ mailboxes: [Mailbox<WorkerMessage>]) { members = mailboxes.map(Member.init) }

    /// How much a worker carries now. Told by the worker itself.
    func carries(_ count: Int, _ load: Load, worker: Int) {
        switch load {
        case .connections: members[worker].connections.store(count, ordering: .relaxed)
        case .tunnels: members[worker].tunnels.store(count, ordering: .relaxed)
        }
    }

    func mailbox(of worker: Int) -> Mailbox<WorkerMessage> { members[worker].mailbox }

    /// The worker that should have the next connection instead of this one, or nil. A difference that passing on wouldn't repay doesn't count.
    func lessBusy(than worker: Int, _ load: Load) -> Mailbox<WorkerMessage>? {
        let own = members[worker].count(load)
        var (least, place) = (own, worker)
        for other in members.indices where other != worker {
            let count = members[other].count(load)
            if count < least { (least, place) = (count, other) }
        }
        let worthwhile = load == .tunnels ? 1 : 2 + least / 8
        return own - least >= worthwhile ? members[place].mailbox : nil
    }
}

/// A connection on its way from the loop that accepted it to one with less to do; nothing of it was read yet. Reset if nobody takes it.
final class PassedConnection: Sendable {
    let peer: SocketAddress
    let port: WorkloadListener.Port
    /// Of the workload whose listener it was.
    let uid: String
    /// -1 once taken.
    private let number: Atomic<CInt>

    init(_ accepted: consuming Accepted, at port: WorkloadListener.Port, uid: String) {
        peer = accepted.peer
        self.port = port
        self.uid = uid
        number = Atomic(accepted.take().release())
    }

    deinit { _ = take() }

    /// The connection, once.
    func take() -> Accepted? {
        let number = number.exchange(-1, ordering: .acquiringAndReleasing)
        guard number >= 0 else { return nil }
        return Accepted(descriptor: Descriptor(takingOwnership: number), peer: peer)
    }
}
