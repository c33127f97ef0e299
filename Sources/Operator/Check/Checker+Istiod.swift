// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import TLS

/// A host whose control plane is istiod: its token and istiod's roots. Whether istiod takes the token the daemon says, which shows it.
extension Checker {
    mutating func checkIstiod() {
        let istiod = configuration.control.istiod
        checkToken(istiod.token)
        checkRoots(istiod.roots)
        let places = configuration.control.directory
        for name in ["key.pem", "certificate.pem"] where HostPlaces.isThere("\(places)/\(name)") {
            fail(
                "member", "\(places)/\(name) makes this host a member of another mesh than istiod's",
                remedy: "Leave that mesh with `warren leave`, or remove control.istiod.")
        }
        if istiod.workloads.isEmpty {
            warn(
                "workloads", "control.istiod.workloads is empty: nothing is captured here",
                remedy: "Name the workloads of this host, with their network namespaces.")
        }
    }

    private mutating func checkToken(_ path: String) {
        let remedy =
            "Have one written there, for the audience istio-ca: `kubectl create token NAME -n NAMESPACE --audience istio-ca`."
        do throws(ServiceAccountToken.Failure) {
            let token = try ServiceAccountToken.read(path)
            guard let claims = token.claims else {
                return warn("token", "the token in \(path) names no service account", remedy: remedy)
            }
            guard let end = claims.expires else { return ok("token", "of \(claims.account)") }
            let left = Double(end.seconds - session.now().seconds)
            guard left > 0 else {
                return fail("token", "the token of \(claims.account) in \(path) expired at \(end)", remedy: remedy)
            }
            ok("token", "of \(claims.account), for another \(HumanText.age(left))")
        } catch {
            fail("token", error.description, remedy: remedy)
        }
    }

    private mutating func checkRoots(_ path: String) {
        let remedy = "It is `root-cert.pem` of the ConfigMap `istio-ca-root-cert`, which is in every namespace."
        do throws(ControlFailure) {
            guard let pem = try HostFiles.read(path) else { throw ControlFailure("\(path) isn't there") }
            do throws(CertificateFailure) {
                let roots = try Certificate.roots(pem: pem)
                ok("istiod's roots", "\(roots.count) in \(path)")
            } catch { throw ControlFailure("\(path) holds no roots: \(error)") }
        } catch {
            fail("istiod's roots", error.message, remedy: remedy)
        }
    }
}
