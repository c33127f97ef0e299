// SPDX-License-Identifier: Apache-2.0

import Mesh
import Messages
import Testing

/// The translation as it goes on says what the whole translation says of the same resources, whatever came before.
@Suite struct IncrementalTranslationTests {
    @Test(arguments: 0..<24)
    func `after any changes it stands as the whole translation has it`(seed: Int) {
        var random = Dice(seed: UInt64(seed))
        var mesh = ChangingMesh()
        let translation = IncrementalTranslation(options: MeshOptions(), waitsForCapture: false)
        var sum = Sum()
        for step in 0..<60 {
            var names: Set<TranslatedName> = []
            for _ in 0..<(1 + random.next(step == 0 ? 40 : 4)) { names.insert(mesh.change(&random)) }
            for name in names {
                if let text = mesh.texts[name] {
                    translation.put(ChangingMesh.load([name: text]))
                } else {
                    translation.remove(name)
                }
            }
            sum.add(translation.flush())
            let whole = Sum(translate(ChangingMesh.load(mesh.texts)))
            #expect(sum == whole, "seed \(seed), step \(step): \(sum.difference(whole))")
            if sum != whole { return }
        }
        for name in mesh.texts.keys { translation.remove(name) }
        sum.add(translation.flush())
        #expect(sum == Sum(MeshState()))
    }

    @Test func `a change touches what it concerns alone`() {
        var texts: [TranslatedName: String] = [:]
        texts[TranslatedName(.namespace, "shop")] = ChangingMesh.namespace("shop", mode: "ambient")
        for index in 0..<200 {
            let name = TranslatedName(.workloadEntry, namespace: "shop", "w\(index)")
            texts[name] = ChangingMesh.entry(
                "shop", "w\(index)", address: "10.0.0.\(index)", labels: ["app": "a\(index % 20)"], node: "n1")
        }
        let translation = IncrementalTranslation(options: MeshOptions(), waitsForCapture: false)
        translation.put(ChangingMesh.load(texts))
        #expect(translation.flush().workloads.count == 200)
        let service = TranslatedName(.service, namespace: "shop", "s")
        translation.put(ChangingMesh.load([service: ChangingMesh.service("shop", "s", selector: ["app": "a3"])]))
        var change = translation.flush()
        #expect(change.workloads.count == 10 && change.services.count == 1 && change.local.count == 10)
        translation.put(ChangingMesh.load([service: ChangingMesh.service("shop", "s", selector: ["app": "a3"])]))
        change = translation.flush()
        #expect(change.workloads.isEmpty)
    }

    @Test func `I21 a tunnel is told of when its host captures the workload, and a host that is gone makes it unhealthy`() {
        let translation = IncrementalTranslation(options: MeshOptions(), waitsForCapture: true)
        translation.put(
            ChangingMesh.load([
                TranslatedName(.namespace, "shop"): ChangingMesh.namespace("shop", mode: "ambient"),
                TranslatedName(.workloadEntry, namespace: "shop", "a"): ChangingMesh.entry(
                    "shop", "a", address: "10.0.0.1", labels: [:], node: "n1"),
            ]))
        var change = translation.flush()
        let uid = change.workloads.first?.uid ?? ""
        #expect(change.workloads.map(\.tunnelProtocol) == [.none])
        #expect(change.local.map(\.captured) == [true])
        translation.setCaptured(node: "n2", [uid])
        #expect(translation.flush().isEmpty)
        translation.setCaptured(node: "n1", [uid, "stranger"])
        change = translation.flush()
        #expect(change.workloads.map(\.tunnelProtocol) == [.hbone])
        translation.setHealthy(false, node: "n1")
        #expect(translation.flush().workloads.map(\.status) == [.unhealthy])
        translation.setHealthy(true, node: "n1")
        #expect(translation.flush().workloads.map(\.status) == [.healthy])
        translation.put(ChangingMesh.load([TranslatedName(.namespace, "shop"): ChangingMesh.namespace("shop", mode: nil)]))
        change = translation.flush()
        #expect(change.workloads.map(\.tunnelProtocol) == [.none])
        #expect(change.local.map(\.captured) == [false])
    }
}

/// All that hosts were told, by name.
private struct Sum: Equatable {
    var workloads: [String: Workload] = [:]
    var services: [String: Service] = [:]
    var authorizations: [String: Authorization] = [:]
    var local: [TranslationChange.Local: LocalWorkload] = [:]

    init() {}

    init(_ state: MeshState) {
        // What stands there twice is told once, the first.
        for workload in state.workloads where workloads[workload.uid] == nil { workloads[workload.uid] = workload }
        for service in state.services where services[service.key] == nil { services[service.key] = service }
        for policy in state.authorizations { authorizations[policy.key] = policy }
        for own in state.local { local[.init(uid: own.uid, node: own.node)] = own }
    }

    mutating func add(_ change: TranslationChange) {
        for uid in change.removedWorkloads { workloads[uid] = nil }
        for key in change.removedServices { services[key] = nil }
        for key in change.removedAuthorizations { authorizations[key] = nil }
        for own in change.removedLocal { local[own] = nil }
        for workload in change.workloads { workloads[workload.uid] = workload }
        for service in change.services { services[service.key] = service }
        for policy in change.authorizations { authorizations[policy.key] = policy }
        for own in change.local { local[.init(uid: own.uid, node: own.node)] = own }
    }

    func difference(_ other: Sum) -> [String] {
        var found: [String] = []
        for name in Set(workloads.keys).union(other.workloads.keys) where workloads[name] != other.workloads[name] {
            found.append("\(name): \(String(describing: workloads[name])) != \(String(describing: other.workloads[name]))")
        }
        for name in Set(services.keys).union(other.services.keys) where services[name] != other.services[name] {
            found.append("\(name): \(String(describing: services[name])) != \(String(describing: other.services[name]))")
        }
        for name in Set(authorizations.keys).union(other.authorizations.keys)
        where authorizations[name] != other.authorizations[name] {
            found.append(name)
        }
        return found
    }
}
