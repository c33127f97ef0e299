// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
internal import HTTP
internal import Kernel
package import Loop
internal import Messages
internal import ResourceAPI
internal import TLS
package import Transport

/// `istio.v1.auth.IstioCertificateService/CreateCertificate`: certificates of workloads for the hosts that hold them (I19, I20). Each call is one
/// request and one answer. On the loop of the API; signatures are made by errands.
package final class CertificateService {
    let authority: Authority
    let loop: Loop
    private let book: AccessBook
    private let errands: Errands
    private let authenticator: Authenticator
    private let counters: AuthorityCounters
    private let audit: Audit
    private let now: @Sendable () -> Int64
    private var calls: [ObjectIdentifier: CertificateCall] = [:]

    /// How many calls may be open. A host asks for one certificate after the other.
    private static let maximumCalls = 2048
    /// The longest message that is looked into: a request in PEM and some metadata.
    static let maximumMessage = 96 * 1024
    /// From the call's headers to its message.
    static let patience = Interval.seconds(10)

    package init(
        authority: Authority, book: AccessBook, errands: Errands, authenticator: Authenticator, counters: AuthorityCounters,
        audit: Audit, loop: Loop, now: @escaping @Sendable () -> Int64 = { WallTime.now().seconds }
    ) {
        self.authority = authority
        self.book = book
        self.errands = errands
        self.authenticator = authenticator
        self.counters = counters
        self.audit = audit
        self.loop = loop
        self.now = now
    }

    /// Takes a call over, from its headers on; it says itself who asks.
    package func handle(_ stream: any GRPCStream, head: HTTPRequestHead, peer: HTTPPeer) {
        let principal: Principal
        do throws(APIStatus) {
            principal = try authenticator.principal(for: head, peer: peer)
        } catch {
            counters.refused(error.reason == .unavailable ? .store : .token)
            stream.finish(Authenticator.status(error))
            return
        }
        guard calls.count < Self.maximumCalls else {
            counters.refused(.busy)
            stream.finish(GRPCStatus(.resourceExhausted, "too many calls are open: try again"))
            return
        }
        let call = CertificateCall(self, stream, principal, peer.place)
        calls[ObjectIdentifier(call)] = call
        call.start()
    }

    func forget(_ call: CertificateCall) { calls[ObjectIdentifier(call)] = nil }

    // MARK: - A request

    /// Decides and has it signed. Calls back once, later or at once.
    func create(
        _ request: CertificateAPI.Request, for principal: Principal, from place: String,
        _ done: @escaping (Result<CertificateAPI.Response, GRPCStatus>) -> Void
    ) {
        let asked: SigningRequest
        let tag: HostTag
        do throws(Refusal) {
            (asked, tag) = try judge(request, principal)
        } catch {
            refuse(error, principal, place, done)
            return
        }
        let (authority, now, lifetime) = (authority, now, request.validityDuration)
        let isTaken = errands.run({ () -> Result<IssuedCertificate, AuthorityFailure> in
            do throws(AuthorityFailure) {
                return .success(
                    try authority.issue(
                        asked.name, publicKey: asked.publicKey, tag: tag, lifetime: lifetime, now: now()))
            } catch { return .failure(error) }
        }) { [self] result in
            switch result {
            case .success(let issued):
                counters.issued(.workload)
                audit.done(
                    "certificate", asked.name.description, by: principal.name, from: place,
                    "\(issued.leaf?.serial ?? "") until \(timestamp(issued.leaf?.notAfter ?? 0))")
                var response = CertificateAPI.Response()
                // As istiod answers: leaf, intermediates, and the trusted roots together as the last.
                response.certificateChain = (issued.chain.map(\.pem) + [issued.roots.pem]).map {
                    String(decoding: $0, as: UTF8.self)
                }
                done(.success(response))
            case .failure(let failure):
                refuse(Refusal(.authority, "the authority can't sign: \(failure)"), principal, place, done)
            }
        }
        if !isTaken { refuse(Refusal(.busy, "too many certificates are asked for at once: try again"), principal, place, done) }
    }

    private func judge(
        _ request: CertificateAPI.Request, _ principal: Principal
    ) throws(Refusal) -> (SigningRequest, HostTag) {
        guard case .node(let node) = principal.role else {
            throw Refusal(.notANode, "certificates of workloads are for hosts; this is \(principal.name)")
        }
        let asked: SigningRequest
        do throws(CertificateFailure) {
            asked = try SigningRequest(pem: Array(request.csr.utf8))
        } catch { throw Refusal(.badRequest, "the certificate request isn't taken: \(error)") }
        guard let identity = asked.identity else {
            throw Refusal(.mismatch, "certificates of hosts are renewed at /warren/v1/renew, not here")
        }
        if let impersonated = request.metadata?["ImpersonatedIdentity"], impersonated.stringValue != identity.description {
            throw Refusal(.mismatch, "the request is for \(identity), ImpersonatedIdentity for another")
        }
        guard identity.trustDomain == authority.trustDomain else {
            throw Refusal(.foreignTrustDomain, "\(identity) is of another trust domain than \(authority.trustDomain)")
        }
        if let refusal = book.grants.mayIssue(identity, to: node) { throw refusal }
        return (asked, NodeRecord.tag(of: node, joined: book.node(node)?.joined ?? 0, trustDomain: authority.trustDomain))
    }

    private func refuse(
        _ refusal: Refusal, _ principal: Principal, _ place: String,
        _ done: (Result<CertificateAPI.Response, GRPCStatus>) -> Void
    ) {
        counters.refused(refusal.reason)
        audit.refused(at: .certificates, "certificate", "workload", by: principal.name, from: place, refusal.description)
        done(.failure(GRPCStatus(refusal.code, refusal.description)))
    }
}

extension Refusal {
    /// As gRPC says it.
    var code: GRPCStatus.Code {
        switch reason {
        case .foreignTrustDomain, .notRegistered, .notGranted, .otherNode, .notANode, .evicted, .nameTaken: .permissionDenied
        case .badRequest, .mismatch: .invalidArgument
        case .token: .unauthenticated
        case .busy: .resourceExhausted
        case .authority: .internal
        case .store: .unavailable
        }
    }
}
