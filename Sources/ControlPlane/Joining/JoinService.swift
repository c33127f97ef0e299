// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import HTTP
internal import Kernel
internal import ResourceAPI
package import Store
internal import TLS
package import Transport

/// The paths by which hosts become and stay members:
///
///     GET  /warren/v1/roots   whom the mesh trusts; anybody may ask, and believes it by the digest in the token
///     POST /warren/v1/join    a token and a request for a certificate
///     POST /warren/v1/renew   a request for a certificate, by who shows the one that it has
///
/// On the loop of the API; what blocks is done by errands.
package final class JoinService {
    private let authority: Authority
    private let desk: NodeDesk
    private let book: AccessBook
    private let errands: Errands
    private let authenticator: Authenticator
    private let counters: AuthorityCounters
    private let audit: Audit
    private let now: @Sendable () -> Int64

    package init(
        authority: Authority, store: any Store, book: AccessBook, errands: Errands, authenticator: Authenticator,
        counters: AuthorityCounters,
        audit: Audit, now: @escaping @Sendable () -> Int64 = { WallTime.now().seconds }
    ) {
        self.authority = authority
        desk = NodeDesk(store: store, authority: authority)
        self.book = book
        self.errands = errands
        self.authenticator = authenticator
        self.counters = counters
        self.audit = audit
        self.now = now
    }

    /// Answers a request to one of the three paths, now or later. False for another path: nothing was done then.
    package func handle(_ exchange: any HTTPExchange) -> Bool {
        let path = exchange.head.target.prefix { $0 != "?" }
        let (method, action): (String, (any HTTPExchange) -> Void)
        switch path {
        case "/warren/v1/roots": (method, action) = ("GET", roots)
        case "/warren/v1/join": (method, action) = ("POST", join)
        case "/warren/v1/renew": (method, action) = ("POST", renew)
        case _: return false
        }
        if exchange.head.method == method {
            action(exchange)
        } else {
            var response = ControlAnswer.failure(APIStatus(.methodNotAllowed, "\(path) takes \(method)"))
            response.headers.append("allow", method)
            exchange.respond(response)
        }
        return true
    }

    private func roots(_ exchange: any HTTPExchange) {
        exchange.respond(
            ControlAnswer.success([
                "roots": .string(String(decoding: authority.roots.pem, as: UTF8.self)),
                "trustDomain": .string(authority.trustDomain),
            ]))
    }

    private func join(_ exchange: any HTTPExchange) {
        let address = exchange.peer.address?.ip
        guard authenticator.limiter.allows(address, now: .now()) else {
            exchange.respond(
                ControlAnswer.failure(APIStatus(.tooManyRequests, "too many tokens from here were wrong: wait some seconds")))
            return
        }
        ControlAnswer.read(exchange, limit: JoinRequest.maximumBody) { [self] document in
            let request: JoinRequest
            do throws(APIStatus) { request = try JoinRequest(document) } catch {
                exchange.respond(ControlAnswer.failure(error))
                return
            }
            let (desk, now) = (desk, now)
            let isTaken = errands.run({ desk.join(request, now: now()) }) { [self] result in
                answer(exchange, result, "join", request.node, by: "token \(AccessToken(request.token)?.id ?? "unreadable")")
            }
            if !isTaken { exchange.respond(busy()) }
        }
    }

    private func renew(_ exchange: any HTTPExchange) {
        let principal: Principal
        do throws(APIStatus) {
            principal = try authenticator.principal(for: exchange.head, peer: exchange.peer)
        } catch {
            exchange.respond(ControlAnswer.failure(error))
            return
        }
        // By its certificate: a token of a host ends, and must not become a certificate that renews itself for ever.
        guard case .node(let name) = principal.role, !exchange.head.headers.contains("authorization") else {
            counters.refused(.notANode)
            audit.refused(
                at: .joining, "renewal", "node", by: principal.name, from: exchange.peer.place, "no node certificate was shown")
            exchange.respond(
                ControlAnswer.failure(APIStatus(.forbidden, "a host renews its certificate by showing the one that it has")))
            return
        }
        ControlAnswer.read(exchange, limit: JoinRequest.maximumBody) { [self] document in
            let request: RenewRequest
            do throws(APIStatus) { request = try RenewRequest(document) } catch {
                exchange.respond(ControlAnswer.failure(error))
                return
            }
            let (desk, now) = (desk, now)
            let isTaken = errands.run({ desk.renew(name, request, now: now()) }) { [self] result in
                answer(exchange, result, "renewal", name, by: principal.name)
            }
            if !isTaken { exchange.respond(busy()) }
        }
    }

    private func busy() -> HTTP1Response {
        counters.refused(.busy)
        return ControlAnswer.failure(APIStatus(.tooManyRequests, "too many hosts ask at once: try again"))
    }

    private func answer(
        _ exchange: any HTTPExchange, _ result: Result<Membership, JoinRefusal>, _ action: String, _ node: String,
        by who: String
    ) {
        switch result {
        case .success(let member):
            counters.issued(.node)
            let issued = member.issued
            audit.done(
                action, "node \(node)", by: who, from: exchange.peer.place,
                "certificate \(issued.leaf?.serial ?? "") until \(timestamp(issued.leaf?.notAfter ?? 0))")
            let answer = ControlAnswer.success([
                "certificateChain": .string(String(decoding: issued.chain.pem, as: UTF8.self)),
                "roots": .string(String(decoding: issued.roots.pem, as: UTF8.self)), "node": .string(node),
                "trustDomain": .string(authority.trustDomain),
            ])
            // The host comes with the certificate at once.
            book.whenReached(member.revision) { exchange.respond(answer) }
        case .failure(let refusal):
            counters.refused(refusal.kind)
            if refusal.isAttempt { _ = authenticator.limiter.failed(exchange.peer.address?.ip, now: .now()) }
            audit.refused(
                at: .joining, action, "node \(node)", by: who, asker: exchange.peer.origin, from: exchange.peer.place,
                refusal.reason)
            exchange.respond(ControlAnswer.failure(refusal.status))
        }
    }
}
