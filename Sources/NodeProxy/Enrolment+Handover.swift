// SPDX-License-Identifier: Apache-2.0

internal import Capture
internal import Daemon
internal import Kernel
internal import Mesh
internal import Telemetry
internal import Tunnel

// What passes from one daemon to the next.
extension Enrolment {
    // MARK: - The old one

    /// Lets the listeners go, which another daemon has by now: each workload as it is without them, for the workers.
    func handOver() -> [EnrolledWorkload] {
        var changed: [EnrolledWorkload] = []
        for enrollee in enrollees.values {
            guard let workload = enrollee.workload else {
                // It never came to be captured here.
                forget(enrollee)
                continue
            }
            if case .refused = enrollee.phase { enrollee.phase = .captured }
            do throws(Errno) {
                let without = EnrolledWorkload(enrollee.plan, at: try workload.place.withoutListeners())
                enrollee.workload = without
                changed.append(without)
            } catch {
                // Not watched, but open: a restart of the other daemon would find the ports taken until this process ends.
                node.log.error("the listeners of \(enrollee.plan.name) stay open in this process: \(error)")
            }
        }
        return changed
    }

    /// Its resource changed while this process only finishes its connections: they are judged by what it is now.
    func adopt(_ plan: EnrolmentPlan, for enrollee: Enrollee, at place: WorkloadPlace) {
        guard let credential = enrollee.credential else { return }
        let workload = EnrolledWorkload(plan, at: place)
        enrollee.plan = plan
        enrollee.workload = workload
        node.tell(.replace(workload, credential))
    }

    // MARK: - The new one

    /// What the daemon before us had and the mesh doesn't want captured any more: its captured connections go on there, so that its rules must stay
    /// until they have ended (I02).
    func adoptReleases(_ workloads: [InheritedWorkload]) {
        for workload in workloads where wanted[workload.plan.uid]?.namespaceName != workload.plan.namespaceName {
            guard enrollees[workload.plan.uid] == nil else { continue }
            numbers += 1
            let enrollee = Enrollee(numbers, workload.plan.with(node.configuration.keepalive))
            enrollee.isToDrain = true
            enrollee.isInMesh = node.snapshot?.workload(uid: workload.plan.uid) != nil
            insert(enrollee)
            prepare(enrollee)
        }
    }

    /// Of what only drains, the namespaces whose listeners have yet to be claimed.
    var yetToDrain: Set<String> {
        Set(enrollees.values.lazy.filter { $0.isToDrain && $0.workload == nil }.map(\.plan.namespaceName))
    }

    /// It couldn't be adopted. Its rules stand until we remove them, so it is tried again as long as there is such a namespace.
    func adoptAgain(_ enrollee: Enrollee) {
        if (try? NetworkNamespace(path: "/run/netns/\(enrollee.plan.namespaceName)")) != nil {
            retry(enrollee, enrollee.plan)
        } else {
            forget(enrollee)
            // Its listeners would keep the namespace.
            node.takeover?.inheritance.closeRest(except: yetToDrain)
        }
    }

    /// Its listeners serve what still comes through tunnels. New connections are let go where that hasn't been done.
    func adoptRelease(_ enrollee: Enrollee) {
        enrollee.isToDrain = false
        enrollee.phase = .captured
        release(enrollee)
    }
}

extension EnrolmentPlan {
    fileprivate func with(_ keepalive: Keepalive) -> EnrolmentPlan {
        EnrolmentPlan(
            uid: uid, name: name, identity: identity, addresses: addresses, network: network, namespaceName: namespaceName,
            dropsNonTCP: dropsNonTCP, keepalive: keepalive)
    }
}
