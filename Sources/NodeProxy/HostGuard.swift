// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Capture
internal import Daemon
internal import Kernel
internal import Telemetry

/// Keeps enrolled workloads off the network while they aren't captured (I07): remembers on disk whom this host captures, and has rules in the host's
/// namespace for those of them that aren't captured at present. The same rules are loaded from the same file by `warrend guard`, at boot before the
/// network is up, and whenever the daemon has ended. Where nobody gave us a place for the file, nobody does that, and there is no guard. On the
/// node's loop.
final class HostGuard {
    private unowned let node: Node
    /// nil: no guard.
    private let path: String?
    /// Whom this host captures, or captured and was never told to release.
    private var remembered: GuardRules
    /// Whom the rules drop. What is remembered at the start: `warrend guard` was here before us. Nil where another daemon was: what it had them drop
    /// isn't known.
    private var closed: GuardRules?
    private var hasEnrolled = false
    private var isBusy = false
    private var isDue = false
    private var lastFailure: String?

    init(node: Node, directory: String? = GuardFile.directory) {
        self.node = node
        path = directory.map(GuardFile.path)
        remembered = path.flatMap { GuardFile.read($0) } ?? GuardRules()
        closed = node.takeover == nil ? remembered : nil
    }

    /// The mesh, or how a workload does, changed.
    func update() {
        guard let path, node.isInCharge else { return }
        guard !isBusy else { return isDue = true }
        let wanted = node.enrolment.wanted
        hasEnrolled = hasEnrolled || !wanted.isEmpty
        // As with leftovers of capture: a first set that enrols nobody is nearly always a mistake.
        guard hasEnrolled || node.configuration.mesh.allowEmpty else { return }
        let (newRemembered, newClosed) = judge(Array(wanted.values))
        let (isNews, isChange) = (newRemembered != remembered, newClosed != closed)
        guard isNews || isChange else { return }
        isBusy = true
        node.errand {
            Self.carryOut(isNews ? newRemembered : nil, at: path, isChange ? newClosed : nil)
        } then: { node, failure in
            node.hostGuard.finished(newRemembered, newClosed, failure)
        }
    }

    /// Who is to be remembered, and who of them to be kept off the network now.
    private func judge(_ plans: [EnrolmentPlan]) -> (remembered: GuardRules, closed: GuardRules) {
        var (newRemembered, newClosed) = (GuardRules(), GuardRules())
        for plan in plans {
            let isKnown = plan.addresses.contains(where: remembered.contains)
            let state = state(of: plan, isKnown: isKnown, isClosed: plan.addresses.contains { closed?.contains($0) ?? false })
            for address in plan.addresses where state != .open {
                newRemembered.insert(address, dropsNonTCP: plan.dropsNonTCP)
                if state == .closed { newClosed.insert(address, dropsNonTCP: plan.dropsNonTCP) }
            }
        }
        return (newRemembered, newClosed)
    }

    private enum State {
        /// It was never captured, and has a network now: it goes on in clear until it is captured.
        case open
        case captured
        case closed
    }

    private func state(of plan: EnrolmentPlan, isKnown: Bool, isClosed: Bool) -> State {
        switch node.enrolment.enrollees[plan.uid]?.phase {
        case .captured: return .captured
        case .refused:
            switch Self.namespace(plan.namespaceName) {
            case .missing: return .closed
            // The host itself is never cut off.
            case .host: return .open
            case .other: return isKnown ? .closed : .open
            }
        // Its namespace went, or is about to be captured again.
        case .finishing: return isKnown ? .closed : .open
        case .preparing, .releasing, .draining, nil: return isClosed ? .closed : isKnown ? .captured : .open
        }
    }

    private enum Namespace {
        case missing
        case host
        case other
    }

    private static func namespace(_ name: String) -> Namespace {
        guard let namespace = try? NetworkNamespace(path: "/run/netns/\(name)") else { return .missing }
        return namespace.identity == (try? NetworkNamespace.current().identity) ? .host : .other
    }

    private static func carryOut(_ remembered: GuardRules?, at path: String, _ closed: GuardRules?) -> String? {
        // Remembered first: who is opened by a crash in between is closed again at its end.
        if let remembered {
            do throws(Errno) { try File.replace(path, with: Array(remembered.document.utf8), mode: 0o600) } catch {
                return "\(path) can't be written: \(error)"
            }
        }
        guard let closed else { return nil }
        do throws(CaptureFailure) {
            return try closed.load().map { "what a bridge of this host passes isn't guarded: \($0)" }
        } catch { return "\(error). \(error.remedy)" }
    }

    private func finished(_ newRemembered: GuardRules, _ newClosed: GuardRules, _ failure: String?) {
        isBusy = false
        // After a failure too: it is told, and the next change tries everything again.
        (remembered, closed) = (newRemembered, newClosed)
        if let failure, failure != lastFailure {
            node.log.scoped(.capture).error("the guard of workloads not captured: \(failure)")
        }
        lastFailure = failure
        if isDue {
            isDue = false
            update()
        }
    }
}

/// Where the guard remembers, in the folder that systemd gives the service for its state.
enum GuardFile {
    /// Nil where systemd gave none: the guard is of use only with units that load it.
    static var directory: String? {
        environmentVariable("STATE_DIRECTORY").flatMap { $0.split(separator: ":").first.map(String.init) }
    }

    static func path(_ directory: String) -> String { "\(directory)/guard" }

    /// Nil if it isn't there, or isn't what we wrote.
    static func read(_ path: String) -> GuardRules? {
        guard let bytes = try? File.read(path, limit: 8 << 20) else { return nil }
        return GuardRules(document: String(decoding: bytes, as: UTF8.self))
    }
}
