// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents
internal import Kernel
internal import Loop
internal import Mesh
internal import Telemetry

/// Keeps the mesh as the files say it: reads them when they were changed and then left alone for a moment (I18), checks, and hands on what is good. A
/// set that is refused changes nothing. On the node's loop; reading is an errand.
final class MeshKeeper: MeshSource, EventSource, TimerTarget {
    private unowned let node: Node
    private let files: MeshFiles
    private let options: MeshOptions
    private var watch: DirectoryWatch?
    private var quiet: Token?
    private var firstChange: Instant?
    /// How long changes may put off reading.
    private static let patience = Interval.seconds(2)
    private var isReading = false
    private var isDirty = false
    private var state = MeshState()
    private var revision: UInt64 = 0
    private(set) var snapshot: MeshSnapshot?
    private(set) var loaded: WallTime?
    /// Why the newest set wasn't taken over; nil if it was.
    private(set) var refusal: MeshRefusal?
    /// A wrong path and an empty mount look like a mesh of nothing (I18).
    var isAuthoritative: Bool { node.configuration.mesh.allowEmpty }

    init(node: Node) {
        self.node = node
        let settings = node.configuration.mesh
        files = MeshFiles(path: settings.path)
        options = MeshOptions(settings)
    }

    func start() throws(Errno) {
        let watch = try DirectoryWatch()
        do throws(Errno) {
            try watch.add(files.folder)
        } catch {
            node.log.scoped(.mesh).error("\(files.folder) can't be watched for changes: \(error)")
        }
        _ = try node.loop.watch(watch.descriptor.number, for: .read, source: self)
        self.watch = consume watch
        read()
    }

    func ready(_ readiness: Readiness) {
        if (try? watch?.drain()) == true { changed() }
    }

    /// Waits until the files are left alone, then reads them.
    func changed() {
        let now = Instant.now()
        let first = firstChange ?? now
        firstChange = first
        // A folder that never rests is read all the same.
        if let quiet {
            guard now.since(first) < Self.patience else { return }
            node.loop.cancel(quiet)
        }
        quiet = node.loop.arm(node.configuration.mesh.settle, self, tag: 0)
    }

    func timerFired(_ tag: UInt32) {
        quiet = nil
        firstChange = nil
        // A folder that was made anew is another one.
        try? watch?.add(files.folder)
        read()
    }

    private func read() {
        guard !isReading else {
            isDirty = true
            return
        }
        isReading = true
        revision += 1
        let (files, options, state, revision) = (files, options, state, revision)
        let allowEmpty = node.configuration.mesh.allowEmpty
        node.meshErrand {
            files.load(options: options, after: state, revision: revision, allowEmpty: allowEmpty)
        } then: { node, result in
            node.files?.finished(result)
        }
    }

    private func finished(_ result: Result<LoadedMesh, MeshRefusal>) {
        isReading = false
        let log = node.log.scoped(.mesh)
        switch result {
        case .success(let mesh):
            node.registry.add(to: .meshReloads, ["applied"])
            for finding in mesh.warnings.prefix(20) where finding.severity == .warning { log.warn(finding.description) }
            refusal = nil
            guard snapshot == nil || mesh.state != state else { break }
            state = mesh.state
            snapshot = mesh.snapshot
            loaded = WallTime.now()
            log.info(
                "mesh revision \(mesh.snapshot.revision): \(mesh.state.workloads.count) workloads, \(mesh.state.services.count) services, "
                    + "\(mesh.state.authorizations.count) policies")
            node.meshArrived(mesh.snapshot)
        case .failure(let refusal):
            node.registry.add(to: .meshReloads, ["refused"])
            self.refusal = refusal
            let before = snapshot == nil ? "nothing is captured until it is right" : "the mesh as it was goes on"
            log.error("\(refusal.reason); \(before)")
            for finding in refusal.findings.prefix(20) { log.error(finding.description) }
        }
        if isDirty {
            isDirty = false
            read()
        }
    }
}
