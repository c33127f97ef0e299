// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop

/// A thread for what blocks or takes long: signatures, the authority's files, tokens in the store. Errands run one after the other and are answered
/// on the loop that made this, which owns it. The thread ends with the process.
package final class Errands {
    private struct Answer: Sendable {
        let ticket: UInt64
        let result: any Sendable
    }

    /// How many may wait. At 100 µs for a signature and 10 ms for a disk's flush a thousand take seconds: who comes behind is better told now.
    private let limit: Int
    private let worker: Mailbox<@Sendable () -> Void>
    private let answers: Mailbox<Answer>
    private var waiting: [UInt64: (any Sendable) -> Void] = [:]
    private var next: UInt64 = 0

    package init(name: String, loop: Loop, limit: Int = 1024) throws(Errno) {
        let worker = try Mailbox<@Sendable () -> Void>()
        self.worker = worker
        self.limit = limit
        answers = try Mailbox<Answer>()
        _ = try Thread(name: name) {
            do throws(Errno) {
                let loop = try Loop()
                try worker.attach(to: loop) { errand in errand() }
                loop.run()
            } catch {
                bug("the loop of a thread for errands can't be made: \(error)")
            }
        }
        try answers.attach(to: loop) { [weak self] answer in self?.waiting.removeValue(forKey: answer.ticket)?(answer.result) }
    }

    /// Has the work done on the thread and its result told on the loop, later. False if too many wait: then nothing happens.
    package func run<Result: Sendable>(
        _ work: @escaping @Sendable () -> Result, _ done: @escaping (Result) -> Void
    ) -> Bool {
        guard waiting.count < limit else { return false }
        next += 1
        let ticket = next
        waiting[ticket] = { result in if let result = result as? Result { done(result) } }
        let answers = answers
        worker.send { answers.send(Answer(ticket: ticket, result: work())) }
        return true
    }
}
