// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// Loads and lists nftables rules in namespaces, through a short-lived child of the same program: libnftables calls `exit()` where it
/// can't go on, which a daemon must not.
///
/// Blocking: for the worker thread. The child gets the namespaces as descriptors from `firstDescriptor` on, the jobs on standard input and
/// answers on standard output, each as a `RulesMessage`. It is killed when its time is up.
package struct RulesChild: Sendable {
    /// What the program's `main` looks for, to call `runRulesChild`.
    package static let argument = "internal-nft"
    /// The child's number for the first job's namespace; the next job's is one more.
    static let firstDescriptor: CInt = 10
    /// A namespace each takes one; `ChildProcess` moves numbers below 200 only.
    static let maximumJobs = 150
    /// No listing of ours comes near it.
    static let maximumAnswer = 4 << 20

    package enum Job: Equatable, Sendable {
        /// Runs the text as one transaction.
        case apply(String)
        /// Runs the text through the kernel's checks, and changes nothing.
        case check(String)
        /// Lists a table; empty if it isn't there.
        case list(table: String)
        /// Lists every table.
        case listAll
    }

    private let program: String

    /// - Parameter program: ourselves, unless a test says otherwise.
    package init(program: String = "/proc/self/exe") { self.program = program }

    /// Runs jobs, each in its namespace, and returns the answer of each: a listing, or nothing for what was applied.
    package func run(
        _ jobs: [(namespace: CInt, job: Job)], timeout: Interval = .seconds(10)
    ) throws(CaptureFailure) -> [Result<String, CaptureFailure>] {
        var results: [Result<String, CaptureFailure>] = []
        while results.count < jobs.count {
            let part = jobs[results.count...].prefix(Self.maximumJobs)
            results += try runPart(Array(part), timeout: timeout)
        }
        return results
    }

    /// Runs one job.
    package func run(_ job: Job, in namespace: borrowing NetworkNamespace, timeout: Interval = .seconds(10))
        throws(CaptureFailure) -> String
    {
        guard let result = try run([(namespace.descriptor.number, job)], timeout: timeout).first else { throw .childUnreadable }
        return try result.get()
    }

    private func runPart(
        _ jobs: [(namespace: CInt, job: Job)], timeout: Interval
    ) throws(CaptureFailure) -> [Result<String, CaptureFailure>] {
        let conversation: RulesConversation
        do { conversation = try RulesConversation(program: program, namespaces: jobs.map(\.namespace)) } catch {
            throw .childNotStarted(error)
        }
        let request = jobs.flatMap { RulesMessage(job: $0.job).bytes }
        let (answer, errors, end) = try conversation.finish(sending: request, timeout: timeout)
        let messages = RulesMessage.all(in: answer)
        guard messages.count <= jobs.count else { throw .childUnreadable }
        let missing = CaptureFailure.childEnded(end, errors)
        return (0..<jobs.count).map { $0 < messages.count ? messages[$0].result : .failure(missing) }
    }
}
