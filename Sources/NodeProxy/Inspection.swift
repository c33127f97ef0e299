// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Documents
internal import Kernel
internal import Mesh
internal import TLS
internal import Telemetry
internal import Tunnel

/// What the node knows, as the admin API shows it. Pure but for the clock; on the node's loop.
extension Node {
    var statusInfo: StatusInfo {
        var status = StatusInfo(
            node: configuration.node, process: Limits.processID, started: started, uptime: uptime, pending: readiness.pending,
            loops: workers.count, trustDomain: configuration.mesh.trustDomain, meshPath: configuration.mesh.path,
            meshRevision: snapshot?.revision ?? 0, meshLoaded: meshLoaded, meshRefused: refusalText)
        status.workloads = snapshot?.workloadCount ?? 0
        status.services = snapshot?.serviceCount ?? 0
        status.policies = snapshot?.policies.count ?? 0
        status.captured = enrolment.enrollees.values.count { if case .captured = $0.phase { true } else { false } }
        status.droppedLogLines = logWriter.dropped
        status.control = control?.info
        status.generations = earlier.all
        status.isDraining = duty == .draining
        return status
    }

    private var refusalText: String? {
        guard let refusal = meshRefusal else { return nil }
        return ([refusal.reason] + refusal.findings.prefix(5).map(\.description)).joined(separator: "\n")
    }

    /// The mesh and what this host does for it, to be told elsewhere than on this loop.
    func meshInspection(_ connections: [ConnectionInfo] = []) -> MeshInspection {
        MeshInspection(
            snapshot: snapshot, node: configuration.node, captures: enrolment.enrollees.mapValues(\.captureState),
            connections: connections)
    }

    var certificateInfos: [CertificateInfo] {
        var infos: [String: CertificateInfo] = [:]
        for enrollee in enrolment.enrollees.values {
            let identity = enrollee.plan.identity.description
            if let credential = enrollee.credential?.credential {
                infos[identity] = CertificateInfo(credential, failure: enrollee.renewalFailure, renewal: enrollee.nextRenewal)
            } else if infos[identity] == nil {
                infos[identity] = CertificateInfo(identity: identity, status: .initializing)
            }
        }
        return infos.values.sorted { $0.identity < $1.identity }
    }

    /// What only the daemon itself can say about its health.
    var checkFacts: [CheckFact] {
        var facts: [CheckFact] = []
        if let refusal = refusalText {
            let remedy =
                control == nil
                ? "Mend the files; `warren validate -f \(configuration.mesh.path)` lists every finding."
                : "Look at the control plane; if its state is right, `warren control accept-store` takes it."
            facts.append(CheckFact("mesh", .failed, refusal, remedy: remedy))
        }
        if let control { facts += control.checkFacts }
        for enrollee in enrolment.enrollees.values.sorted(by: { $0.plan.name < $1.plan.name }) {
            if case .refused(let reason) = enrollee.phase {
                facts.append(
                    CheckFact(
                        "capture of \(enrollee.plan.name)", .failed, reason,
                        remedy: "Mend what it names; it is tried again by itself."))
            }
            if let failure = enrollee.renewalFailure {
                facts.append(
                    CheckFact(
                        "certificate of \(enrollee.plan.identity)", .failed, failure,
                        remedy: control == nil
                            ? "Look at the CA's files; renewal is tried twice a minute."
                            : "Look at the control plane; renewal is tried about once a minute."))
            }
        }
        return facts
    }
}

extension Enrollee {
    var captureState: CaptureState {
        switch phase {
        case .preparing: .pending
        case .captured: .captured
        case .refused(let reason): .refused(reason: reason)
        case .releasing, .draining, .finishing: .draining
        }
    }
}

extension WorkloadInfo {
    init(_ source: MeshWorkload) {
        let workload = source.workload
        self.init(
            uid: workload.uid, name: workload.name, namespace: workload.namespace, addresses: workload.addresses,
            network: workload.network, node: workload.node, identity: source.identity?.description,
            trustDomain: source.identity?.trustDomain ?? workload.trustDomain,
            serviceAccount: source.identity?.serviceAccount ?? "",
            speaksHBONE: workload.tunnelProtocol == .hbone, waypoint: nil, workloadName: workload.workloadName,
            workloadType: "\(workload.kind)", canonicalName: workload.canonicalName,
            canonicalRevision: workload.canonicalRevision,
            clusterID: workload.clusterID, isHealthy: workload.status == .healthy, isLocal: false)
        region = workload.locality?.region ?? ""
        zone = workload.locality?.zone ?? ""
        subzone = workload.locality?.subzone ?? ""
        policies = workload.authorizationPolicies
    }
}

extension ServiceInfo {
    init(_ source: MeshService, in snapshot: MeshSnapshot) {
        let service = source.service
        let endpoints = source.endpoints.map { endpoint in
            let workload = snapshot[endpoint.workload].workload
            return Endpoint(
                workloadUID: workload.uid, workload: workload.displayName, addresses: workload.addresses.map(\.description),
                ports: endpoint.ports.map { ($0.servicePort, $0.targetPort) }, isHealthy: workload.status == .healthy)
        }
        self.init(
            name: service.name, namespace: service.namespace, hostname: service.hostname,
            addresses: service.addresses.map { "\($0.network)/\($0.address)" },
            ports: service.ports.map { ($0.servicePort, $0.targetPort) }, subjectAltNames: service.subjectAltNames,
            endpoints: Array(endpoints))
    }
}

extension PolicyInfo {
    init(_ authorization: Authorization) {
        let scope =
            switch authorization.scope {
            case .global: "Global"
            case .namespace: "Namespace"
            case .workloadSelector: "WorkloadSelector"
            }
        let origin = authorization.groups.first?.origin
        self.init(
            name: authorization.name, namespace: authorization.namespace, scope: scope,
            action: authorization.action == .allow ? "Allow" : "Deny",
            rules: authorization.groups.map(\.description), origin: origin.map { "\($0.file):\($0.line)" })
    }
}

extension CertificateInfo {
    init(_ credential: Credential, failure: String?, renewal: Int64) {
        let link = { (certificate: Certificate) in
            Link(
                serial: certificate.serial, notBefore: WallTime(seconds: certificate.notBefore),
                notAfter: WallTime(seconds: certificate.notAfter), pem: String(decoding: certificate.pem, as: UTF8.self))
        }
        self.init(
            identity: credential.identity.description, status: failure.map { .unavailable(reason: $0) } ?? .available,
            chain: [link(credential.leaf)] + credential.intermediates.map(link), roots: credential.roots.map(link),
            renewal: WallTime(seconds: renewal))
    }
}
