// SPDX-License-Identifier: Apache-2.0

package import Discovery
package import Kernel
package import Loop
package import Mesh
package import Store

/// Keeps hosts told of what the store holds: hears of changes on the API's loop, has the publish thread translate and encode them, and hands the
/// outcome to the discovery server on the API's loop again.
///
///     ControlState ──► Publishing ──errands──► publish thread ──answers──► DiscoveryServer ──► hosts
package final class Publishing: StateObserver {
    /// Objects of one errand at the beginning: what is translated and not yet handed over is in memory twice.
    private static let loadStep = 1_000

    private let server: DiscoveryServer
    private let options: MeshOptions
    private let worker: Mailbox<PublishErrand>
    private var reasons: [StoreKey: String] = [:]
    private var marks: [UInt64: () -> Void] = [:]
    private var markNumber: UInt64 = 0
    /// Stands when everything was told to the server once.
    package private(set) var isLoaded = false
    /// Called on the API's loop when the first load is done.
    package var onLoaded: (() -> Void)?

    /// Begins the publish thread.
    package init(loop: Loop, server: DiscoveryServer, options: MeshOptions) throws(Errno) {
        self.server = server
        self.options = options
        let worker = try Mailbox<PublishErrand>()
        self.worker = worker
        let answers = try Mailbox<PublishAnswer>()
        try answers.attach(to: loop) { [weak self] in self?.receive($0) }
        _ = try Thread(name: "publish") {
            do throws(Errno) {
                let loop = try Loop()
                let translator = PublishWorker { answers.send($0) }
                try worker.attach(to: loop) { translator.run($0) }
                loop.run()
            } catch {
                bug("the loop of the publish thread can't be made: \(error)")
            }
        }
    }

    // MARK: - The state

    package func stateLoaded(_ state: ControlState) {
        worker.send(.begin(options))
        var step: [PublishedChange] = []
        let now = Instant.now()
        for resource in PublishedKind.resources {
            for object in state.cache.objects(resource) {
                step.append(PublishedChange(key: object.key, text: object.text, revision: object.revision, accepted: now))
                guard step.count == Self.loadStep else { continue }
                worker.send(.load(step))
                step = []
            }
        }
        worker.send(.load(step))
        worker.send(.loaded(revision: state.cache.revision))
    }

    package func stateChanged(_ state: ControlState, _ changes: [StoreChange]) {
        guard let revision = changes.last?.revision else { return }
        let now = Instant.now()
        let published = changes.filter { PublishedKind.isPublished($0.key) }
            .map { PublishedChange(key: $0.key, text: $0.value, revision: $0.revision, accepted: now) }
        worker.send(.change(published, revision: revision))
    }

    /// The workloads of a host that is gone are unhealthy until it is back (I21).
    package func setHealthy(_ isHealthy: Bool, node: String) {
        worker.send(.health(node: node, isHealthy: isHealthy))
    }

    /// Calls back when all that the state has told until now is translated and handed to the server.
    package func whenPublished(_ body: @escaping () -> Void) {
        markNumber += 1
        marks[markNumber] = body
        worker.send(.mark(markNumber))
    }

    // MARK: - The thread

    private func receive(_ answer: PublishAnswer) {
        switch answer {
        case .batch(let batch, let accepted): server.apply(batch, accepted: accepted)
        case .loaded:
            guard !isLoaded else { return }
            isLoaded = true
            server.loaded()
            onLoaded?()
        case .marked(let number): marks.removeValue(forKey: number)?()
        case .trouble(let troubles):
            for trouble in troubles { reasons[trouble.key] = trouble.reason }
        }
    }

    // MARK: - What is known of an object

    /// Why hosts aren't told of an object as it stands; they hold what stood before. Nil if they are told, or if it is nothing to hosts.
    package func trouble(_ key: StoreKey) -> String? { reasons[key] }

    /// How far all hosts are now.
    package func survey() -> AcknowledgementSurvey { server.survey() }

    /// How far an object has come that stands since this revision, for its condition `Programmed`. Nil if it means nothing to hosts. What a revision
    /// brought is told by name where it has one: a refusal stands with its words.
    /// - Returns: with `unknown`, the replicas of whose hosts it isn't known.
    func acknowledgement(
        _ key: StoreKey, revision: UInt64, _ survey: AcknowledgementSurvey, _ others: OtherReplicas = .nobody
    ) -> (come: Acknowledgement, unknown: [String])? {
        guard PublishedKind.name(of: key) != nil else { return nil }
        var answer = survey.acknowledgement(ofRevision: revision)
        let resource = PublishedKind.published(key, options: options)
        if let (type, name) = resource {
            answer.refused = survey.refusals(of: type, name, ofRevision: revision)
            answer.acknowledged = min(answer.acknowledged, answer.concerned - answer.refused.count)
        }
        let unknown = others.add(to: &answer, revision: revision, resource.map { (type: $0.0, name: $0.1) })
        return (answer, unknown)
    }
}
