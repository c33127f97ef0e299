// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import HTTP
internal import Kernel
internal import ResourceAPI
package import Store
internal import TLS
package import Transport

/// The paths by which admins make tokens and change the authority's keys:
///
///     POST   /warren/v1/tokens            a `TokenWish`; the answer holds the token, once
///     GET    /warren/v1/tokens            all of them, without secrets
///     DELETE /warren/v1/tokens/ID
///     GET    /warren/v1/authority         roots, intermediate, and how far a change has come
///     POST   /warren/v1/authority/rotate  {"step": "intermediate", "force": false}
///
/// On the loop of the API; what blocks is done by errands.
package final class AdminService {
    private let authority: Authority
    private let store: any Store
    private let desk: TokenDesk
    private let book: AccessBook
    private let errands: Errands
    private let audit: Audit
    private let now: @Sendable () -> Int64
    private static let maximumBody = 32 * 1024

    package init(
        authority: Authority, store: any Store, book: AccessBook, errands: Errands, audit: Audit,
        now: @escaping @Sendable () -> Int64 = { WallTime.now().seconds }
    ) {
        self.authority = authority
        self.store = store
        desk = TokenDesk(store)
        self.book = book
        self.errands = errands
        self.audit = audit
        self.now = now
    }

    private enum Action {
        case createToken
        case listTokens
        case revokeToken(String)
        case showAuthority
        case rotate
    }

    /// Answers a request to one of the paths, now or later. False for another path: nothing was done then.
    package func handle(_ exchange: any HTTPExchange, principal: Principal) -> Bool {
        let path = String(exchange.head.target.prefix { $0 != "?" })
        guard
            path == "/warren/v1/tokens" || path.hasPrefix("/warren/v1/tokens/") || path == "/warren/v1/authority"
                || path == "/warren/v1/authority/rotate"
        else { return false }
        guard let action = Self.action(exchange.head.method, path) else {
            exchange.respond(ControlAnswer.failure(APIStatus(.methodNotAllowed, "\(path) doesn't take \(exchange.head.method)")))
            return true
        }
        guard principal.role == .admin else {
            audit.refused(
                at: .administration, exchange.head.method, path, by: principal.name, from: exchange.peer.place, "not an admin")
            exchange.respond(ControlAnswer.failure(APIStatus(.forbidden, "\(path) is for admins; this is \(principal.name)")))
            return true
        }
        perform(action, exchange, principal.name)
        return true
    }

    private static func action(_ method: String, _ path: String) -> Action? {
        switch (method, path) {
        case ("POST", "/warren/v1/tokens"): return .createToken
        case ("GET", "/warren/v1/tokens"): return .listTokens
        case ("GET", "/warren/v1/authority"): return .showAuthority
        case ("POST", "/warren/v1/authority/rotate"): return .rotate
        case ("DELETE", _):
            let id = path.dropFirst("/warren/v1/tokens/".count)
            guard path.hasPrefix("/warren/v1/tokens/"), (1...64).contains(id.utf8.count),
                id.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
            else { return nil }
            return .revokeToken(String(id))
        case _: return nil
        }
    }

    private func perform(_ action: Action, _ exchange: any HTTPExchange, _ who: String) {
        let (authority, desk, now) = (authority, desk, now)
        switch action {
        case .createToken: createToken(exchange, who)
        case .rotate: rotate(exchange, who)
        case .showAuthority: exchange.respond(ControlAnswer.success(authority.status(now: now())))
        case .listTokens:
            run(exchange, { () throws(APIStatus) in try desk.list() }) { records in
                ControlAnswer.success(["tokens": .array(records.map(\.shown))])
            }
        case .revokeToken(let id):
            run(exchange, { () throws(APIStatus) in try desk.revoke(id) }, revision: \.revision) { [audit] revoked in
                audit.done("token revocation", "token \(id)", by: who, from: exchange.peer.place)
                return ControlAnswer.success(revoked.record.shown)
            }
        }
    }

    private func createToken(_ exchange: any HTTPExchange, _ who: String) {
        ControlAnswer.read(exchange, limit: Self.maximumBody) { [self] document in
            let wish: TokenWish
            do throws(APIStatus) { wish = try TokenWish(document) } catch {
                exchange.respond(ControlAnswer.failure(error))
                return
            }
            let (authority, desk, now) = (authority, desk, now)
            run(
                exchange,
                { () throws(APIStatus) in try desk.create(wish, by: who, root: authority.rootDigest, now: now()) },
                revision: \.revision
            ) { [audit] made in
                let what = made.record.role?.json.json ?? "join \(made.record.node ?? "any host")"
                audit.done(
                    "token creation", "token \(made.record.id)", by: who, from: exchange.peer.place,
                    "\(what) until \(timestamp(made.record.expires))")
                let entries = [Value.Entry("token", .string(made.token.description))] + (made.record.shown.mappingValue ?? [])
                return ControlAnswer.success(Value(.mapping(entries)), status: 201)
            }
        }
    }

    private func rotate(_ exchange: any HTTPExchange, _ who: String) {
        ControlAnswer.read(exchange, limit: Self.maximumBody) { [self] document in
            let findings = FindingList(limit: 10)
            let fields = Fields(document, findings: findings)
            let (word, force) = (fields.choice("step", RotationStep.self), fields.bool("force") ?? false)
            fields.finish()
            guard let step = word, !findings.hasErrors else {
                let words = RotationStep.allCases.map(\.rawValue).joined(separator: ", ")
                let why =
                    findings.findings.first.map { "\($0.message). \($0.remedy)" } ?? "`step` is missing: write one of \(words)"
                exchange.respond(ControlAnswer.failure(APIStatus(.badRequest, why)))
                return
            }
            let (authority, store, now) = (authority, store, now)
            run(exchange) { () throws(APIStatus) in
                try AdminService.checkAlone(step, store)
                do throws(AuthorityFailure) {
                    try authority.rotate(step, force: force, now: now())
                } catch { throw APIStatus(.conflict, error.description) }
                do throws(StoreFailure) { try MeshRoots.record(authority, in: store) } catch { throw error.status }
                return authority.status(now: now())
            } _: { [audit] status in
                audit.done(
                    "rotation", "authority", by: who, from: exchange.peer.place, "\(step.rawValue)\(force ? ", forced" : "")")
                return ControlAnswer.success(status)
            }
        }
    }

    /// Another replica would neither trust nor tell of a root that one makes for itself.
    private static func checkAlone(_ step: RotationStep, _ store: any Store) throws(APIStatus) {
        guard step != .intermediate, store.isShared else { return }
        let others: Int
        do throws(StoreFailure) { others = try Replicas.count(in: store) - 1 } catch { throw error.status }
        guard others > 0 else { return }
        throw APIStatus(
            .conflict,
            "\(others) more replicas serve this mesh, with authorities of their own: give all of them the new root as files "
                + "(authority.roots), or stop the others first"
        )
    }

    /// Does the work as an errand and answers, once what it wrote is known here too.
    private func run<Made: Sendable>(
        _ exchange: any HTTPExchange, _ work: @escaping @Sendable () throws(APIStatus) -> Made,
        revision: @escaping (Made) -> UInt64 = { _ in 0 }, _ answer: @escaping (Made) -> HTTP1Response
    ) {
        let isTaken = errands.run({ () -> Result<Made, APIStatus> in
            do throws(APIStatus) { return .success(try work()) } catch { return .failure(error) }
        }) { [book] result in
            switch result {
            case .success(let made): book.whenReached(revision(made)) { exchange.respond(answer(made)) }
            case .failure(let failure): exchange.respond(ControlAnswer.failure(failure))
            }
        }
        if !isTaken {
            exchange.respond(ControlAnswer.failure(APIStatus(.tooManyRequests, "too much is asked at once: try again")))
        }
    }
}
