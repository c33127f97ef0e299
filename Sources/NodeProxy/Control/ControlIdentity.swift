// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import Kernel
internal import Loop
internal import TLS
internal import Telemetry

/// This host's own certificate: renewed at half of its life, the key staying the same; and the roots that come with answers. On the node's loop; the
/// disk is an errand's.
final class ControlIdentity {
    private unowned let host: any ControlHost
    private let directory: NodeDirectory
    private(set) var credential: NodeCredential
    private var due: Int64
    private var isAsking = false
    private var backoff = Backoff(first: .seconds(5), longest: .minutes(10))
    /// Why the last renewal failed; nil if it didn't.
    private(set) var failure: String?
    var link: () -> (any ControlLink)? = { nil }
    /// Another certificate, or other roots.
    var onChange: (NodeCredential) -> Void = { _ in }

    init(host: any ControlHost, credential: NodeCredential) {
        self.host = host
        self.credential = credential
        directory = NodeDirectory(path: host.configuration.control.directory)
        due = credential.renewal
    }

    private var log: Log { host.log.scoped(.identity) }

    /// Called now and then. Wall time decides (I11).
    func renewIfDue(now: Int64 = WallTime.now().seconds) {
        guard host.isInCharge, !isAsking, now >= due, let link = link() else { return }
        isAsking = true
        let (key, identity) = (credential.key, credential.identity)
        host.work { () -> [UInt8]? in
            try? SigningRequest.make(node: identity, key: key)
        } then: { [weak self] request in
            guard let self else { return }
            guard let request else { return failed("no request could be made") }
            ask(link, request)
        }
    }

    private func ask(_ link: any ControlLink, _ csr: [UInt8]) {
        let body = Value.object([
            ("csr", .string(String(decoding: csr, as: UTF8.self))), ("version", .string(warrenVersion)),
        ])
        let request = ControlRequest(path: "/warren/v1/renew", body: body.jsonBytes)
        link.ask(request, within: .seconds(10)) { [weak self] result in
            guard let self else { return }
            switch result {
            case .failure(let failure): failed(failure.description)
            case .success(let answer) where answer.status != 200: failed(answer.complaint)
            case .success(let answer): take(answer.body)
            }
        }
    }

    private func take(_ body: [UInt8]) {
        let (old, directory) = (credential, directory)
        host.work {
            Self.read(body, old).flatMap { new in
                do throws(Errno) {
                    try directory.save(certificate: new.chain)
                    if Set(new.roots) != Set(old.roots) { try directory.save(roots: new.roots) }
                    return .success(new)
                } catch { return .failure(ControlFailure("the renewed certificate can't be kept: \(error)")) }
            }
        } then: { [weak self] result in
            guard let self else { return }
            switch result {
            case .failure(let failure): failed(failure.description)
            case .success(let new): renewed(new)
            }
        }
    }

    /// The answer to a renewal, checked: our key, our name, and a chain to the roots beside it.
    static func read(_ body: [UInt8], _ old: NodeCredential) -> Result<NodeCredential, ControlFailure> {
        guard let document = try? JSON.read(body), let chain = document["certificateChain"]?.stringValue else {
            return .failure(ControlFailure("the answer holds no certificate"))
        }
        do throws(CertificateFailure) {
            let chain = try Certificate.chain(pem: Array(chain.utf8))
            let roots = try document["roots"]?.stringValue.map { (text) throws(CertificateFailure) in
                try Certificate.roots(pem: Array(text.utf8))
            }
            do throws(ControlFailure) {
                let new = try NodeCredential(key: old.key, chain: chain, roots: roots ?? old.roots)
                guard new.identity == old.identity else { throw ControlFailure("the certificate is one of \(new.identity)") }
                guard new.notAfter > WallTime.now().seconds else { throw ControlFailure("the certificate has expired") }
                return .success(new)
            } catch { return .failure(error) }
        } catch { return .failure(ControlFailure("\(error)")) }
    }

    private func renewed(_ new: NodeCredential) {
        isAsking = false
        failure = nil
        backoff.reset()
        credential = new
        due = new.renewal
        log.info("renewed the certificate of this host, \(new.identity), until \(WallTime(seconds: new.notAfter))")
        onChange(new)
    }

    private func failed(_ reason: String) {
        isAsking = false
        due = WallTime.now().seconds + max(1, Int64(backoff.next().seconds))
        let left = max(0, credential.notAfter - WallTime.now().seconds)
        if failure != reason {
            log.error(
                "the certificate of this host can't be renewed: \(reason). It is valid for \(left / 3600) h \(left / 60 % 60) min more"
            )
        }
        failure = reason
    }

    /// Roots that came with a workload's certificate.
    func adopt(roots: [Certificate]) {
        let (old, directory) = (credential, directory)
        // The roots must still vouch for our own certificate, or the next connection would be refused with it.
        guard let new = try? NodeCredential(key: old.key, chain: old.chain, roots: roots) else {
            log.warn("the control plane named roots that don't vouch for this host's own certificate: it is renewed first")
            due = 0
            return
        }
        credential = new
        log.info("\(roots.count) root\(roots.count == 1 ? " is" : "s are") trusted now")
        onChange(new)
        host.work { () -> Errno? in
            do throws(Errno) {
                try directory.save(roots: roots)
                return nil
            } catch { return error }
        } then: { [weak self] failure in
            if let failure { self?.log.error("\(directory.path)/roots.pem can't be written: \(failure)") }
        }
    }

    /// What lies in the folder now, after somebody joined anew.
    func reload() {
        let directory = directory
        host.work {
            directory.load()
        } then: { [weak self] result in
            guard let self else { return }
            switch result {
            case .failure(let failure): log.error("this host's certificate as it was goes on: \(failure)")
            case .success(let new) where new.leaf == credential.leaf && Set(new.roots) == Set(credential.roots): break
            case .success(let new):
                credential = new
                due = new.renewal
                onChange(new)
            }
        }
    }
}

extension ControlAnswer {
    /// What a refusal says: the message of a `Status`, or the text as it is.
    var complaint: String {
        if let message = (try? JSON.read(body))?["message"]?.stringValue { return "\(message.prefix(500)) (\(status))" }
        let text = String(decoding: body.prefix(200), as: UTF8.self).filter { !$0.isNewline }
        return text.isEmpty ? "answered with \(status)" : "\(text) (\(status))"
    }
}
