// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import Kernel
internal import Loop
internal import Messages
internal import TLS
internal import Telemetry
internal import Transport
internal import Wire

/// Certificates of this host's workloads from the control plane: a fresh key here for each, a request signed with it there. A first one is waited
/// for, for a bounded time; a renewal that fails leaves the old one. On the node's loop; keys and signatures are errands.
final class ControlCertificates {
    typealias Completion = (Result<WorkloadCredential, AuthorityFailure>) -> Void

    /// A certificate that is about to be had: who waits for it, until when.
    private final class Order {
        var waiting: [(id: Int, done: Completion, alarm: Alarm)] = []
        var isAsking = false
        var lastFailure: String?
    }

    /// Requests under way at once: a control plane signs one in a tenth of a millisecond.
    private static let concurrency = 8
    private static let answerLimit = 1 << 20
    /// A connection that is lost is back sooner; who has none by then says so, and tries again later.
    private static let renewalBound = Interval.seconds(10)
    /// One that ends sooner isn't worth taking from the shelf.
    private static let shortest: Int64 = 5

    private unowned let host: any ControlHost
    private var shelf: CredentialShelf
    private var orders: [SPIFFEID: Order] = [:]
    private var queue: [SPIFFEID] = []
    private var asking = 0
    private var numbers = 0
    /// Whom peers are trusted by: what the newest answer said.
    private(set) var roots: [Certificate]
    /// The connection to ask by, and why there is none.
    var link: () -> (any ControlLink)? = { nil }
    var whyNoLink: () -> String = { "" }
    /// Whether a certificate is asked for in another's name.
    var impersonates: (SPIFFEID) -> Bool = { _ in true }
    /// What a refusal says, in words for people.
    var words: (GRPCStatus, SPIFFEID) -> String = { status, _ in status.message.isEmpty ? "\(status.code)" : status.message }
    /// Other roots came with an answer.
    var onRoots: ([Certificate]) -> Void = { _ in }
    private(set) var issued = 0
    private(set) var refused = 0

    /// - Parameters:
    ///   - roots: whom peers are trusted by until an answer says otherwise.
    ///   - mark: of this host in its mesh: what was kept under another isn't used.
    init(host: any ControlHost, roots: [Certificate], mark: String) {
        self.host = host
        self.roots = roots
        shelf = Self.shelf(host, mark)
    }

    private static func shelf(_ host: any ControlHost, _ mark: String) -> CredentialShelf {
        CredentialShelf(host.configuration.identity, runDirectory: host.configuration.runDirectory, host: mark)
    }

    func use(_ credential: NodeCredential) {
        roots = credential.roots
        shelf = Self.shelf(host, credential.keyDigest)
    }

    // MARK: - Asking

    /// The certificate of a workload that has none here yet: a kept one while it is valid, else one from the control plane, within
    /// `control.firstCertificate`.
    func first(_ identity: SPIFFEID, done: @escaping Completion) {
        let (shelf, roots) = (shelf, roots)
        host.work {
            Self.usable(shelf.kept(identity, roots: roots), roots: roots)
        } then: { [weak self] kept in
            if let kept { return done(.success(kept)) }
            self?.order(identity, within: nil, done)
        }
    }

    /// A certificate in place of one that goes on serving.
    func renew(_ identity: SPIFFEID, done: @escaping Completion) { order(identity, within: Self.renewalBound, done) }

    /// The workload left for good: its key goes too.
    func forget(_ identity: SPIFFEID) {
        let shelf = shelf
        host.work {
            shelf.forget(identity)
        } then: {
        }
    }

    /// There is a connection now: what waits is asked for.
    func linkArrived() { pump() }

    private static func usable(_ kept: Credential?, roots: [Certificate]) -> WorkloadCredential? {
        guard let kept, NodeCredential.leads([kept.leaf] + kept.intermediates, to: roots) else { return nil }
        let now = WallTime.now().seconds
        guard kept.notBefore <= now, now + shortest < kept.notAfter else { return nil }
        return try? WorkloadCredential(kept)
    }

    private func order(_ identity: SPIFFEID, within bound: Interval?, _ done: @escaping Completion) {
        let limit = bound ?? host.configuration.control.firstCertificate
        let order = orders[identity] ?? Order()
        if orders[identity] == nil {
            orders[identity] = order
            queue.append(identity)
        }
        numbers += 1
        let number = numbers
        let alarm = Alarm(loop: host.loop)
        order.waiting.append((number, done, alarm))
        alarm.set(limit) { [weak self] in self?.expired(identity, number, limit) }
        pump()
    }

    /// Who waited long enough is told; the order itself goes on while anybody else waits.
    private func expired(_ identity: SPIFFEID, _ number: Int, _ limit: Interval) {
        guard let order = orders[identity], let index = order.waiting.firstIndex(where: { $0.id == number }) else { return }
        let waiter = order.waiting.remove(at: index)
        let why = order.lastFailure ?? (link() == nil ? whyNoLink() : "the control plane has not answered")
        if order.waiting.isEmpty, !order.isAsking {
            orders[identity] = nil
            queue.removeAll { $0 == identity }
        }
        waiter.done(.failure(AuthorityFailure("no certificate for \(identity) within \(limit.seconds) s: \(why)")))
    }

    private func pump() {
        while asking < Self.concurrency, !queue.isEmpty, link() != nil {
            let identity = queue.removeFirst()
            guard let order = orders[identity] else { continue }
            order.isAsking = true
            asking += 1
            ask(identity)
        }
    }

    private func ask(_ identity: SPIFFEID) {
        host.work { () -> Result<(PrivateKey, [UInt8]), AuthorityFailure> in
            let key = PrivateKey.generate()
            do throws(CertificateFailure) {
                return .success((key, try SigningRequest.make(identity: identity, key: key)))
            } catch { return .failure(AuthorityFailure("no request for \(identity) could be made: \(error)")) }
        } then: { [weak self] result in
            guard let self else { return }
            switch result {
            case .failure(let failure): answered(identity, .failure(failure))
            case .success((let key, let request)): send(identity, key, request)
            }
        }
    }

    private func send(_ identity: SPIFFEID, _ key: PrivateKey, _ request: [UInt8]) {
        guard let link = link() else { return again(identity, whyNoLink()) }
        var message = CertificateAPI.Request()
        message.csr = String(decoding: request, as: UTF8.self)
        message.validityDuration = Int64(clamping: host.configuration.identity.lifetime.nanoseconds / 1_000_000_000)
        if impersonates(identity) { message.metadata = .object([("ImpersonatedIdentity", .string(identity.description))]) }
        let stream = link.call(CertificateAPI.createMethod)
        UnaryCall(stream, message.encoded, deadline: Alarm(loop: host.loop), within: .seconds(10)) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let answer): take(answer, identity, key)
            case .failure(let status):
                let words = words(status, identity)
                switch status.code {
                case .unavailable, .cancelled, .deadlineExceeded, .aborted, .unknown: again(identity, words)
                default:
                    refused += 1
                    answered(
                        identity, .failure(AuthorityFailure("no certificate for \(identity): the control plane says: \(words)")))
                }
            }
        }
    }

    // MARK: - Answers

    private func take(_ answer: [UInt8], _ identity: SPIFFEID, _ key: PrivateKey) {
        guard answer.count <= Self.answerLimit else {
            return answered(
                identity, .failure(AuthorityFailure("no certificate for \(identity): an answer of \(answer.count) bytes")))
        }
        let (shelf, known) = (shelf, roots)
        host.work {
            Self.read(answer, identity, key, known: known).map { credential in
                shelf.keep(credential.credential)
                return credential
            }
        } then: { [weak self] result in
            guard let self else { return }
            if case .success(let credential) = result {
                issued += 1
                let new = credential.credential.roots
                if Set(new) != Set(roots) {
                    roots = new
                    onRoots(new)
                }
            }
            answered(identity, result)
        }
    }

    /// What a control plane says is checked like a stranger's: the key is ours, the name is the one asked for, and the chain ends at the roots beside
    /// it.
    static func read(
        _ answer: [UInt8], _ identity: SPIFFEID, _ key: PrivateKey, known: [Certificate]
    ) -> Result<WorkloadCredential, AuthorityFailure> {
        func fail(_ reason: String) -> Result<WorkloadCredential, AuthorityFailure> {
            .failure(AuthorityFailure("the certificate for \(identity) that the control plane gave can't be used: \(reason)"))
        }
        let texts: [String]
        do throws(WireFailure) {
            texts = try CertificateAPI.Response(decoding: answer).certificateChain
        } catch { return fail(error.reason) }
        guard let last = texts.last else { return fail("it is empty") }
        do throws(CertificateFailure) {
            let (chain, roots): ([Certificate], [Certificate])
            if texts.count == 1 {
                (chain, roots) = (try Certificate.chain(pem: Array(last.utf8)), known)
            } else {
                chain = try Certificate.chain(pem: texts.dropLast().flatMap { Array($0.utf8) + [0x0a] })
                roots = try Certificate.roots(pem: Array(last.utf8))
            }
            let credential = try Credential(key: key, chain: chain, roots: roots)
            guard credential.identity == identity else { return fail("it is one of \(credential.identity)") }
            guard NodeCredential.leads(chain, to: roots) else { return fail("it doesn't lead to the roots that came with it") }
            guard credential.notAfter > WallTime.now().seconds else { return fail("it has expired") }
            return .success(try WorkloadCredential(credential))
        } catch { return fail("\(error)") }
    }

    /// The connection was lost under it: asked again when there is one.
    private func again(_ identity: SPIFFEID, _ why: String) {
        asking -= 1
        guard let order = orders[identity] else { return pump() }
        order.isAsking = false
        order.lastFailure = why
        if order.waiting.isEmpty {
            orders[identity] = nil
        } else {
            queue.append(identity)
        }
        // Not at once: a control plane that is about to stop refuses everything.
        if asking == 0, link() != nil { retry.set(.milliseconds(200)) { [weak self] in self?.pump() } }
    }

    private lazy var retry = Alarm(loop: host.loop)

    private func answered(_ identity: SPIFFEID, _ result: Result<WorkloadCredential, AuthorityFailure>) {
        asking -= 1
        let waiting = orders.removeValue(forKey: identity)?.waiting ?? []
        for waiter in waiting {
            waiter.alarm.cancel()
            waiter.done(result)
        }
        pump()
    }
}
