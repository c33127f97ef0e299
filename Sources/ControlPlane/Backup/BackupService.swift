// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import HTTP
internal import Kernel
internal import ResourceAPI
internal import Store
internal import TLS
internal import Transport

/// `POST /warren/v1/backup`: everything that is in the store at one moment, as a file; with a passphrase, which local root alone may give, the
/// authority's keys too. On the loop of the API; gathered and sealed on a thread of its own.
final class BackupService {
    static let path = "/warren/v1/backup"
    private static let bodyLimit = 4096

    private let store: any Store
    private let authority: Authority
    private let audit: Audit
    private let errands: Errands
    private let now: @Sendable () -> Int64

    init(
        store: any Store, authority: Authority, audit: Audit, errands: Errands,
        now: @escaping @Sendable () -> Int64 = { WallTime.now().seconds }
    ) {
        self.store = store
        self.authority = authority
        self.audit = audit
        self.errands = errands
        self.now = now
    }

    /// Answers a request to the path, now or later. False for another path: nothing was done then.
    func handle(_ exchange: any HTTPExchange, principal: Principal) -> Bool {
        guard exchange.head.target.prefix(while: { $0 != "?" }) == Self.path else { return false }
        guard exchange.head.method == "POST" else {
            exchange.respond(ControlAnswer.failure(APIStatus(.methodNotAllowed, "\(Self.path) takes POST")))
            return true
        }
        guard principal.role == .admin else {
            refuse(exchange, principal, "backups are for admins; this is \(principal.name)")
            return true
        }
        ControlAnswer.read(exchange, limit: Self.bodyLimit) { [self] document in
            let passphrase = document["passphrase"].map { Array(($0.stringValue ?? "").utf8) }
            if let passphrase, passphrase.count < SealedBox.shortestPassphrase {
                let words = "a passphrase has at least \(SealedBox.shortestPassphrase) bytes"
                return exchange.respond(ControlAnswer.failure(APIStatus(.badRequest, words)))
            }
            // Who holds an admin's token elsewhere may read the mesh, and not take the keys away.
            if passphrase != nil, exchange.peer.process == nil {
                return refuse(
                    exchange, principal,
                    "the authority's keys are given to root on the control plane's host alone, over its socket")
            }
            make(exchange, principal, passphrase)
        }
        return true
    }

    private func refuse(_ exchange: any HTTPExchange, _ principal: Principal, _ why: String) {
        audit.refused(at: .backup, "backup", "store", by: principal.name, from: exchange.peer.place, why)
        exchange.respond(ControlAnswer.failure(APIStatus(.forbidden, why)))
    }

    private func make(_ exchange: any HTTPExchange, _ principal: Principal, _ passphrase: [UInt8]?) {
        let (store, authority, now) = (store, authority, now)
        let isTaken = errands.run({ () -> Result<[UInt8], APIStatus> in
            do throws(StoreFailure) {
                let list = try store.list(nil, namespace: nil)
                do throws(AuthorityFailure) {
                    let sealed = try passphrase.map { (passphrase) throws(AuthorityFailure) in
                        try authority.sealed(passphrase: passphrase, context: Backup.context(identity: store.identity))
                    }
                    return .success(
                        Backup(
                            identity: store.identity, list: list, created: now(), trustDomain: authority.trustDomain,
                            authority: sealed ?? nil
                        ).text)
                } catch { return .failure(APIStatus(.internalError, error.description)) }
            } catch { return .failure(error.status) }
        }) { [audit] result in
            switch result {
            case .success(let text):
                audit.done(
                    "backup", "store", by: principal.name, from: exchange.peer.place,
                    "\(text.count) bytes\(passphrase == nil ? "" : ", with the authority's keys")")
                exchange.respond(
                    HTTP1Response(
                        status: 200, headers: ["content-type": "application/octet-stream", "cache-control": "no-store"],
                        body: text))
            case .failure(let failure): exchange.respond(ControlAnswer.failure(failure))
            }
        }
        if !isTaken { exchange.respond(ControlAnswer.failure(APIStatus(.tooManyRequests, "a backup is under way: try again"))) }
    }
}
