// SPDX-License-Identifier: Apache-2.0

package import Bytes
internal import Kernel
package import Loop
package import TLS

/// The names by which others than hosts reach the control plane.
package struct ServingNames: Hashable, Sendable {
    package let hosts: [String]
    package let addresses: [IPAddress]

    package init(hosts: [String], addresses: [IPAddress]) {
        self.hosts = hosts
        self.addresses = addresses
    }
}

/// The control plane's own certificate, renewed after half of its time and when the authority's keys have changed; the intermediate of the
/// authority is kept fresh on the way. On the loop that made it; signatures are made by errands.
package final class ServingCredential: TimerTarget {
    private let authority: Authority
    private let names: ServingNames
    private let errands: Errands
    private let loop: Loop
    private let counters: AuthorityCounters
    private let audit: Audit
    private let now: @Sendable () -> Int64
    private let changes: Mailbox<Void>
    private var isRenewing = false
    /// What to serve with now.
    package private(set) var current: Credential
    /// Tells of another one. Connections that stand go on with what they began with.
    package var onRenewed: ((Credential) -> Void)?

    /// Wall time is what certificates go by, and it may jump: looked at each minute.
    private static let interval = Interval.seconds(60)

    /// Makes the first one, which blocks.
    package init(
        authority: Authority, names: ServingNames, errands: Errands, counters: AuthorityCounters, audit: Audit, loop: Loop,
        now: @escaping @Sendable () -> Int64 = { WallTime.now().seconds }
    ) throws(AuthorityFailure) {
        self.authority = authority
        self.names = names
        self.errands = errands
        self.counters = counters
        self.audit = audit
        self.loop = loop
        self.now = now
        current = try authority.serverCredential(
            hosts: names.hosts, addresses: names.addresses, now: now())
        counters.issued(.server)
        do throws(Errno) {
            changes = try Mailbox<Void>()
            try changes.attach(to: loop) { [weak self] _ in self?.renew() }
        } catch { throw AuthorityFailure("no mailbox: \(error)") }
        let changes = changes
        authority.observe { changes.send(()) }
        _ = loop.arm(Self.interval, self, tag: 0)
    }

    package func timerFired(_ tag: UInt32) {
        _ = loop.arm(Self.interval, self, tag: 0)
        let now = now()
        let authority = authority
        _ = errands.run({ () -> Result<Bool, AuthorityFailure> in
            do throws(AuthorityFailure) { return .success(try authority.upkeep(now: now)) } catch { return .failure(error) }
        }) { [audit] result in
            switch result {
            case .success(true): audit.done("rotation", "authority", by: "warren-control", from: "itself", "intermediate")
            case .success(false): break
            case .failure(let failure):
                audit.refused(
                    at: .authority, "rotation", "authority", by: "warren-control", from: "itself", failure.description)
            }
        }
        let begin = current.notBefore + CertificateAuthority.backdating
        if now < current.notBefore || now >= begin + (current.notAfter - begin) / 2 { renew() }
    }

    private func renew() {
        guard !isRenewing else { return }
        isRenewing = true
        let (authority, names, now) = (authority, names, now)
        let isTaken = errands.run({ () -> Result<Credential, AuthorityFailure> in
            do throws(AuthorityFailure) {
                return .success(
                    try authority.serverCredential(
                        hosts: names.hosts, addresses: names.addresses, now: now()))
            } catch { return .failure(error) }
        }) { [self] result in
            isRenewing = false
            switch result {
            case .success(let credential):
                current = credential
                counters.issued(.server)
                audit.done(
                    "certificate", credential.identity.description, by: "warren-control", from: "itself",
                    "\(credential.serial) until \(timestamp(credential.notAfter))")
                onRenewed?(credential)
            case .failure(let failure):
                counters.refused(.authority)
                audit.refused(
                    at: .authority, "certificate", "warren-control", by: "warren-control", from: "itself", failure.description)
            }
        }
        if !isTaken { isRenewing = false }
    }
}
