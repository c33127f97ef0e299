// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import TLS

/// A host that is a member of a mesh with a control plane: its own certificate, and whether the control plane is there. It has no files of the mesh
/// and no authority of its own.
extension Checker {
    /// How many hosts can be asked without `check` taking minutes.
    private static let maximumAddresses = 4

    mutating func checkMember() {
        var places = HostPlaces()
        places.directory = configuration.control.directory
        guard let identity = checkNode(places) else { return }
        checkControlPlane(places, identity)
    }

    /// What `warren join` wrote. Nil after saying what is wrong with it.
    private mutating func checkNode(_ places: HostPlaces) -> NodeIdentity? {
        let again =
            "Join again: `warren token create --node \(configuration.node)` where the control plane is, and the line it prints here."
        let parts: (key: PrivateKey, chain: [Certificate], roots: [Certificate])
        do throws(ControlFailure) {
            parts = try read(places)
        } catch {
            fail("member", error.message, remedy: error.remedy.isEmpty ? again : error.remedy)
            return nil
        }
        if let mode = try? File.status(places.key).mode, mode & 0o077 != 0 {
            fail(
                "member.key", "\(places.key) may be used by others than its owner: its mode is 0\(String(mode, radix: 8))",
                remedy: "chmod 600 \(places.key), and think about who may have read it.")
        }
        guard let leaf = parts.chain.first, case .node(let identity) = leaf.certifiedName else {
            fail("member", "\(places.certificate) names no host", remedy: again)
            return nil
        }
        guard let publicKey = leaf.publicKey, parts.key.matches(publicKey), let last = parts.chain.last,
            parts.roots.contains(where: { $0 == last || last.isSigned(by: $0) })
        else {
            fail("member", "key, certificate and roots in \(places.directory) don't belong together", remedy: again)
            return nil
        }
        guard identity.name == configuration.node else {
            fail(
                "member", "this host joined as \(identity.name), but the configuration calls it \(configuration.node)",
                remedy: "Set `node: \(identity.name)`, or join under the other name.")
            return nil
        }
        if identity.trustDomain != configuration.mesh.trustDomain {
            fail(
                "member",
                "this host is in the trust domain \(identity.trustDomain), but mesh.trustDomain is \(configuration.mesh.trustDomain)",
                remedy: "Set mesh.trustDomain to \(identity.trustDomain).")
        }
        checkDates(parts.chain, identity, again)
        return identity
    }

    private func read(_ places: HostPlaces) throws(ControlFailure) -> (PrivateKey, [Certificate], [Certificate]) {
        var texts: [[UInt8]] = []
        for path in [places.key, places.certificate, places.roots] {
            guard let text = try HostFiles.read(path) else { throw ControlFailure("\(path) isn't there") }
            texts.append(text)
        }
        do throws(CertificateFailure) {
            return (try PrivateKey(pem: texts[0]), try Certificate.chain(pem: texts[1]), try Certificate.roots(pem: texts[2]))
        } catch {
            throw ControlFailure("what lies in \(places.directory) can't be used: \(error)")
        }
    }

    private mutating func checkDates(_ chain: [Certificate], _ identity: NodeIdentity, _ again: String) {
        let now = session.now()
        let (begin, end) = (chain.reduce(0) { max($0, $1.notBefore) }, chain.reduce(Int64.max) { min($0, $1.notAfter) })
        if begin > now.seconds {
            fail(
                "clock",
                "it is \(now) here, but this host's certificate begins only \(WallTime(seconds: begin)): the clock is behind",
                remedy: "Set the clock, and keep it right: timedatectl set-ntp true.")
        } else if end <= now.seconds {
            fail("member", "the certificate of \(identity) ended \(WallTime(seconds: end)), and it is \(now) here", remedy: again)
        } else {
            ok("member", "\(identity), for another \(HumanText.age(Double(end - now.seconds)))")
        }
    }

    /// Whether each address answers, and is the control plane of this mesh. Anybody may ask what is asked.
    private mutating func checkControlPlane(_ places: HostPlaces, _ identity: NodeIdentity) {
        let addresses = configuration.control.addresses
        guard let roots = try? HostFiles.read(places.roots) else { return }
        let uri = "spiffe://\(identity.trustDomain)/ns/warren-system/sa/warren-control"
        var failures: [(address: String, failure: ControlFailure)] = []
        for address in addresses.prefix(Self.maximumAddresses) {
            var endpoint = ControlEndpoint(.network(host: address.host, port: address.port))
            endpoint.trust = .identity(roots: roots, uri: uri)
            do throws(ControlFailure) {
                let request = ControlRequest(.get, "/warren/v1/roots")
                let answer = try session.connect(endpoint).send(request)
                guard answer.status == 200 else { throw ControlFailure(answer, to: request) }
                ok("control plane", "\(address) answers")
            } catch {
                failures.append((address.description, error))
            }
        }
        let none = failures.count == min(addresses.count, Self.maximumAddresses)
        for (address, failure) in failures {
            let message = "\(address): \(failure.message)"
            let remedy = failure.remedy.isEmpty ? "Look at its log: journalctl -u warren-control." : failure.remedy
            // With one of them the host gets on.
            if none { fail("control plane", message, remedy: remedy) } else { warn("control plane", message, remedy: remedy) }
        }
    }
}
