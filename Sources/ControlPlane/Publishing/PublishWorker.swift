// SPDX-License-Identifier: Apache-2.0

internal import Discovery
internal import Documents
internal import Kernel
internal import Mesh
internal import Store

/// What the publish thread is asked to do.
enum PublishErrand: Sendable {
    /// Everything is another from here on: all objects follow, in the order of `PublishedKind.resources`.
    case begin(MeshOptions)
    case load([PublishedChange])
    /// That was all, as of this revision.
    case loaded(revision: UInt64)
    case change([PublishedChange], revision: UInt64)
    case health(node: String, isHealthy: Bool)
    /// Answered when all before it was.
    case mark(UInt64)
}

/// What it answers.
enum PublishAnswer: Sendable {
    case batch(ResourceBatch, accepted: Instant)
    case loaded(revision: UInt64)
    /// Objects that can't be told to hosts, and why; those that can be again have no reason.
    case trouble([(key: StoreKey, reason: String?)])
    case marked(UInt64)
}

/// Translates what changed and encodes what is different. Lives on the publish thread.
final class PublishWorker {
    private var translation: IncrementalTranslation?
    private var options = MeshOptions()
    private let answer: (PublishAnswer) -> Void
    /// Of a load: what was there before and hasn't been seen again.
    private var unseen: Set<TranslatedName> = []
    private var unseenCaptures: Set<String> = []
    private var captured: Set<String> = []
    private var troubled: Set<StoreKey> = []
    private var evictions: Set<String> = []
    private var unseenEvictions: Set<String> = []
    /// Of evictions, since the last flush.
    private var news = ResourceBatch(revision: 0)

    init(answer: @escaping (PublishAnswer) -> Void) { self.answer = answer }

    func run(_ errand: PublishErrand) {
        switch errand {
        case .begin(let options): begin(options)
        case .load(let objects):
            take(objects)
            flush(revision: 0, accepted: .now())
        case .loaded(let revision):
            for name in unseen { translation?.remove(name) }
            for node in unseenCaptures { setCaptured(node, []) }
            for tag in unseenEvictions { lift(tag) }
            (unseen, unseenCaptures, unseenEvictions) = ([], [], [])
            flush(revision: revision, accepted: .now())
            answer(.loaded(revision: revision))
        case .change(let changes, let revision):
            take(changes)
            flush(revision: revision, accepted: changes.map(\.accepted).min() ?? .now())
        case .mark(let number): answer(.marked(number))
        case .health(let node, let isHealthy):
            translation?.setHealthy(isHealthy, node: node)
            flush(revision: 0, accepted: .now())
        }
    }

    private func begin(_ options: MeshOptions) {
        guard let translation else {
            self.options = options
            self.translation = IncrementalTranslation(options: options, waitsForCapture: true)
            return
        }
        unseen = Set(translation.names)
        unseenCaptures = captured
        unseenEvictions = evictions
    }

    private func take(_ changes: [PublishedChange]) {
        var trouble: [(key: StoreKey, reason: String?)] = []
        for change in changes {
            guard let name = PublishedKind.name(of: change.key) else {
                if change.key.resource == PublishedKind.captures { takeCaptures(change) }
                if change.key.resource == PublishedKind.evictions { takeEviction(change) }
                continue
            }
            unseen.remove(name)
            guard let text = change.text else {
                translation?.remove(name)
                if troubled.remove(change.key) != nil { trouble.append((change.key, nil)) }
                continue
            }
            switch read(text, change.key) {
            case .success(let set):
                translation?.put(set)
                if troubled.remove(change.key) != nil { trouble.append((change.key, nil)) }
            case .failure(let failure):
                // What stood before stays: a policy that can't be read must not open anything.
                troubled.insert(change.key)
                trouble.append((change.key, failure.reason))
            }
        }
        if !trouble.isEmpty { answer(.trouble(trouble)) }
    }

    private struct Unreadable: Error {
        let reason: String
    }

    private func read(_ text: [UInt8], _ key: StoreKey) -> Result<ResourceSet, Unreadable> {
        do throws(DocumentFailure) {
            let tree = try JSON.read(text, without: ObjectText.bookkeeping)
            let (set, findings) = loadResource(tree, name: "\(key.namespace)/\(key.name)", options: options)
            if let error = findings.first(where: { $0.severity == .error }) {
                return .failure(Unreadable(reason: error.field.isEmpty ? error.message : "\(error.field): \(error.message)"))
            }
            return .success(set)
        } catch {
            return .failure(Unreadable(reason: error.message))
        }
    }

    private func takeCaptures(_ change: PublishedChange) {
        let node = change.key.name
        unseenCaptures.remove(node)
        setCaptured(node, change.text.flatMap { CaptureRecord(node: node, text: $0) }?.workloads ?? [])
    }

    private func setCaptured(_ node: String, _ workloads: Set<String>) {
        if workloads.isEmpty { captured.remove(node) } else { captured.insert(node) }
        translation?.setCaptured(node: node, workloads)
    }

    private func takeEviction(_ change: PublishedChange) {
        let tag = change.key.name
        unseenEvictions.remove(tag)
        guard let record = change.text.flatMap({ EvictionRecord(key: change.key, text: $0) }) else { return lift(tag) }
        evictions.insert(tag)
        news.changed.append(EncodedResource(record.eviction))
    }

    private func lift(_ tag: String) {
        if evictions.remove(tag) != nil { news.removed.append(RemovedResource(.eviction, tag)) }
    }

    /// Even what changes nothing for hosts moves the revision.
    private func flush(revision: UInt64, accepted: Instant) {
        guard let change = translation?.flush() else { return }
        var batch = news
        news = ResourceBatch(revision: 0)
        batch.revision = revision
        guard !change.isEmpty || revision > 0 || !batch.changed.isEmpty || !batch.removed.isEmpty else { return }
        batch.changed.reserveCapacity(change.workloads.count + change.services.count + change.local.count)
        batch.changed += change.authorizations.map { EncodedResource($0) }
        batch.changed += change.services.map { EncodedResource($0) }
        batch.changed += change.workloads.map { EncodedResource($0) }
        batch.changed += change.local.map { EncodedResource($0) }
        batch.removed += change.removedLocal.map { RemovedResource(.local, $0.uid, owner: $0.node) }
        batch.removed += (change.removedWorkloads + change.removedServices).map { RemovedResource(.address, $0) }
        batch.removed += change.removedAuthorizations.map { RemovedResource(.authorization, $0) }
        answer(.batch(batch, accepted: accepted))
    }
}
