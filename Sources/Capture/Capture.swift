// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// Sets up, checks and takes away the capture of one network namespace. Each verb may be repeated, and repairs what a crash in its middle left.
///
/// Blocking (some tens of milliseconds, most of it the child that loads the rules): for the worker thread or a program without a loop. Holds
/// nothing but names; what it knows of a namespace lies in `CaptureRecord`.
package struct Capture: Sendable {
    package struct Options: Equatable, Sendable {
        package var ports = CapturePorts()
        package var otherProtocols = CaptureRules.OtherProtocols.allow

        package init() {}
    }

    package let stateDirectory: String
    let child: RulesChild

    /// - Parameters:
    ///   - stateDirectory: for the records; on tmpfs, since a namespace doesn't outlive the kernel either.
    ///   - program: what is started to load rules; ourselves, unless a test says otherwise.
    package init(stateDirectory: String = "/run/warren/capture", program: String = "/proc/self/exe") {
        self.stateDirectory = stateDirectory
        child = RulesChild(program: program)
    }

    /// Captures the namespace. Our listeners must stand already (I02). Open connections stay as they are; from the return on every new one is ours.
    /// - Parameter name: the namespace's name, for the record.
    package func install(_ namespace: borrowing NetworkNamespace, name: String, _ options: Options) throws(CaptureFailure) {
        let known = try CaptureRecord.read(namespace.identity, in: stateDirectory)
        if let known, known.phase == .captured, try deviations(namespace, known, options).isEmpty { return }
        var record = known ?? CaptureRecord(namespace: namespace.identity, name: name)
        record.name = name
        record.phase = .captured
        try put(namespace, &record, options)
    }

    /// Lets new connections go where they want. What is captured stays so until `finishRelease`.
    package func beginRelease(_ namespace: borrowing NetworkNamespace, _ options: Options) throws(CaptureFailure) {
        guard var record = try CaptureRecord.read(namespace.identity, in: stateDirectory), record.phase == .captured else {
            return
        }
        let intact = try deviations(namespace, record, options).isEmpty
        record.phase = .draining
        guard intact else { return try put(namespace, &record, options) }
        try record.write(in: stateDirectory)
        try apply(rules(.draining, options).updates, to: namespace)
        try note(namespace, &record, options)
    }

    /// Takes everything away and puts the settings back. Captured connections that are still open are ended first, since their next segment would
    /// leave in clear.
    package func finishRelease(_ namespace: borrowing NetworkNamespace) throws(CaptureFailure) {
        let record = try CaptureRecord.read(namespace.identity, in: stateDirectory)
        let isCatching = try isCatching(namespace)
        if record != nil || isCatching { try endCaptured(namespace) }
        _ = try remove(namespace, record)
        try record?.remove(in: stateDirectory)
    }

    /// What differs from what was set up. Empty is good.
    package func verify(_ namespace: borrowing NetworkNamespace, _ options: Options) throws(CaptureFailure) -> [Deviation] {
        guard let record = try CaptureRecord.read(namespace.identity, in: stateDirectory) else { return [.recordMissing] }
        return try deviations(namespace, record, options)
    }

    /// Sets up again what `verify` found missing, in the phase in which the namespace is.
    package func restore(_ namespace: borrowing NetworkNamespace, name: String, _ options: Options) throws(CaptureFailure) {
        guard var record = try CaptureRecord.read(namespace.identity, in: stateDirectory) else {
            return try install(namespace, name: name, options)
        }
        try put(namespace, &record, options)
    }
}
