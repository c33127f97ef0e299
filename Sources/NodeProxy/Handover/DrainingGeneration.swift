// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Loop
internal import Telemetry

/// This process, after it handed over: what it tells others of itself until its last connection ended. On the node's loop.
final class DrainingGeneration {
    private unowned let node: Node
    private let generations: Generations
    /// Held for as long as this process lives.
    private let lock: Descriptor?
    private let since = WallTime.now()
    private var counts: [Int: (open: [String: Int], tunnels: Int)] = [:]
    private var isWriting = false

    init(node: Node) {
        self.node = node
        generations = Generations(runDirectory: node.configuration.runDirectory)
        do throws(Errno) { lock = try generations.enter() } catch {
            lock = nil
            node.log.error("\(generations.folder): \(error): nobody sees that this process finishes its connections")
        }
    }

    var adminSocket: String { generations.adminSocket(Limits.processID) }

    /// A worker counted.
    func counted(worker: Int, open: [String: Int], tunnels: Int) {
        counts[worker] = (open, tunnels)
        if counts.count == node.workers.count { write() }
    }

    private var info: GenerationInfo {
        var (open, tunnels): ([String: Int], Int) = ([:], 0)
        for count in counts.values {
            open.merge(count.open, uniquingKeysWith: +)
            tunnels += count.tunnels
        }
        return GenerationInfo(process: Limits.processID, version: warrenVersion, since: since, open: open, tunnels: tunnels)
    }

    private func write() {
        guard lock != nil, !isWriting else { return }
        isWriting = true
        node.work { [generations, info] () -> Errno? in
            do throws(Errno) {
                try generations.write(info)
                return nil
            } catch { return error }
        } then: { [weak self] failure in
            self?.isWriting = false
            if let failure { self?.node.log.error("\(self?.generations.folder ?? ""): \(failure)") }
        }
    }

    /// This process ends.
    func leave() { generations.leave() }
}

/// The daemons before this one that still finish their connections, as the one sees it that serves. On the node's loop.
final class EarlierGenerations {
    private unowned let node: Node
    private let generations: Generations
    private(set) var all: [GenerationInfo] = []
    /// Who was told to end.
    private var told: Set<CInt> = []
    private var isLooking = false
    /// What was seen may lack somebody.
    private var isStale = true

    init(node: Node) {
        self.node = node
        generations = Generations(runDirectory: node.configuration.runDirectory)
    }

    /// How many connections of a workload they have; nil while one of them hasn't told.
    func open(_ uid: String) -> Int? {
        guard !isStale, all.allSatisfy(\.hasTold) else { return nil }
        return all.reduce(0) { $0 + ($1.open[uid] ?? 0) }
    }

    /// There is one more.
    func expectAnother() {
        isStale = true
        look()
    }

    /// Called each second.
    func look() {
        guard !isLooking else { return }
        isLooking = true
        isStale = false
        node.work { [generations] in
            generations.live()
        } then: { [weak self] in
            self?.found($0)
        }
    }

    private func found(_ all: [GenerationInfo]) {
        isLooking = false
        // What was looked at before somebody came doesn't count.
        if isStale { return look() }
        for gone in self.all where !all.contains(where: { $0.process == gone.process }) {
            node.log.info("process \(gone.process), which handed over at \(gone.since), has ended")
        }
        self.all = all
        told.formIntersection(all.map(\.process))
        node.earlierGenerationsCounted()
        let limit = node.configuration.handover.generations
        for oldest in all.prefix(max(0, all.count - limit)) where !told.contains(oldest.process) {
            end(oldest, "more than \(limit) finish their connections (handover.generations)")
        }
    }

    /// The daemon that serves is told to end: so are those before it.
    func endAll() { for generation in all where !told.contains(generation.process) { end(generation, "all of warrend ends") } }

    private func end(_ generation: GenerationInfo, _ why: String) {
        told.insert(generation.process)
        let process = generation.process
        node.log.warn("process \(process) is told to end, with \(generation.connections) connections open: \(why)")
        node.work { [generations] () -> Errno? in
            do throws(Errno) {
                _ = try generations.end(process)
                return nil
            } catch { return error }
        } then: { [weak self] failure in
            if let failure { self?.node.log.error("process \(process) can't be told to end: \(failure)") }
        }
    }
}
