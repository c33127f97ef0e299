// SPDX-License-Identifier: Apache-2.0

/// The life of one workload's capture, without sockets, clocks or rules: what is to be done next, in the order that cuts nothing (I02).
///
///     absent ─enrol─► preparing ─ready─► installing ─installed─► captured
///       ▲                 │ release          │ release               │ release
///       │                 ▼                  ▼                       ▼
///       └──────────────closing ◄─removed─ removing ◄─drained─ draining ◄─begun─ releasing
///
/// `namespaceGone` leads to closing from everywhere: nothing is left to remove there. An `enrol` while draining goes back to installing. The owner
/// performs each action and tells the outcome; an action that failed is asked for again with `retry`.
package struct CaptureMachine: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        case absent
        /// Listeners are opened, the certificate is made.
        case preparing
        /// Rules are being put in.
        case installing
        case captured
        /// Rules are being changed so that new connections are free.
        case releasing
        /// New connections are free, captured ones go on.
        case draining
        /// Rules are being taken away.
        case removing
        /// Listeners and everything else are being closed.
        case closing
    }

    package enum Event: Equatable, Sendable {
        /// The label is there, and the namespace passed its check.
        case enrol
        /// Listeners stand and the certificate is at hand.
        case ready
        case installed
        /// The label or the workload is gone.
        case release
        case begun
        /// The last captured connection ended, or the drain's time is up.
        case drained
        case removed
        case closed
        case namespaceGone
        /// It is time to try again what failed.
        case retry
    }

    package enum Action: Equatable, Sendable {
        case nothing
        /// Open listeners, get the certificate; answer `ready`.
        case prepare
        /// `Capture.install`; answer `installed`.
        case install
        /// `Capture.beginRelease`; answer `begun`.
        case beginRelease
        /// Watch the captured connections; answer `drained`.
        case drain
        /// `Capture.finishRelease`; answer `removed`.
        case remove
        /// Close listeners, tunnels, the namespace; answer `closed`.
        case close
    }

    package private(set) var state = State.absent
    /// What was asked for while an action ran that has to end first.
    private var wanted: Event?

    package init() {}

    package mutating func on(_ event: Event) -> Action {
        switch event {
        case .namespaceGone: return vanish()
        case .retry: return action
        case .enrol, .release: return want(event)
        case .ready: return advance(from: .preparing, to: .installing)
        case .installed: return advance(from: .installing, to: .captured)
        case .begun: return advance(from: .releasing, to: .draining)
        case .drained: return advance(from: .draining, to: .removing)
        case .removed: return advance(from: .removing, to: .closing)
        case .closed: return advance(from: .closing, to: .absent)
        }
    }

    /// What is to be done in a state; repeated by `retry`.
    private var action: Action {
        switch state {
        case .absent, .captured: .nothing
        case .preparing: .prepare
        case .installing: .install
        case .releasing: .beginRelease
        case .draining: .drain
        case .removing: .remove
        case .closing: .close
        }
    }

    private mutating func go(_ next: State) -> Action {
        state = next
        return action
    }

    private mutating func advance(from expected: State, to next: State) -> Action {
        // An answer to an action that was overtaken, by a namespace that vanished for example.
        guard state == expected else { return .nothing }
        state = next
        guard let event = wanted else { return action }
        wanted = nil
        let turned = want(event)
        return turned == .nothing && state == next ? action : turned
    }

    /// Enrolment and release in each state: at once where nothing runs that must end first, else remembered.
    private mutating func want(_ event: Event) -> Action {
        let enrols = event == .enrol
        switch state {
        case .absent: return enrols ? go(.preparing) : .nothing
        case .preparing: return enrols ? .nothing : go(.closing)
        case .captured: return enrols ? .nothing : go(.releasing)
        case .draining: return enrols ? go(.installing) : .nothing
        case .installing:
            wanted = enrols ? nil : event
            return .nothing
        case .releasing, .removing, .closing:
            wanted = enrols ? event : nil
            return .nothing
        }
    }

    private mutating func vanish() -> Action {
        wanted = nil
        guard state != .absent, state != .closing else { return .nothing }
        return go(.closing)
    }
}
