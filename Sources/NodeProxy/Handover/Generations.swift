// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents
internal import Kernel

/// The folder in which daemons that handed over tell of themselves: `PID.lock`, held as long as the process lives, `PID.json`, written each second,
/// and `PID.sock`, its admin socket. Blocking, for microseconds; run as errands.
struct Generations: Sendable {
    /// Bytes of a record that is read at most: thousands of workloads.
    private static let limit = 4 << 20
    /// Somebody may look whether a lock is held at the moment when it is taken.
    private static let attempts = 50

    let folder: String

    init(runDirectory: String) { folder = "\(runDirectory)/draining" }

    func adminSocket(_ process: CInt) -> String { "\(folder)/\(process).sock" }
    private func lock(_ process: CInt) -> String { "\(folder)/\(process).lock" }
    private func record(_ process: CInt) -> String { "\(folder)/\(process).json" }

    // MARK: - Of who drains

    /// Makes this process one of them, as long as the descriptor is open.
    func enter(_ process: CInt = Limits.processID) throws(Errno) -> Descriptor {
        try File.makeDirectory(folder, mode: 0o700)
        let path = lock(process)
        var last = Errno.wouldBlock
        for _ in 0..<Self.attempts {
            do throws(Errno) {
                let descriptor = try File.lock(path)
                // Whoever found it unheld a moment ago may have removed it.
                if (try? File.status(path, followLink: false).identity) == (try File.identity(of: descriptor)) {
                    return descriptor
                }
            } catch {
                last = error
                guard error == .wouldBlock else { throw error }
            }
            Thread.sleep(.milliseconds(1))
        }
        throw last
    }

    func write(_ info: GenerationInfo) throws(Errno) {
        try File.replace(record(info.process), with: info.record.jsonBytes, mode: 0o600)
    }

    /// What of a process is there no more is nobody's.
    func leave(_ process: CInt = Limits.processID) {
        for path in [adminSocket(process), record(process), lock(process)] { try? File.remove(path) }
    }

    // MARK: - Of who serves

    /// Those that live, the oldest first; what ended ones left behind is removed.
    func live() -> [GenerationInfo] {
        let names = (try? File.names(in: folder)) ?? []
        let processes = names.compactMap { name in name.hasSuffix(".lock") ? CInt(name.dropLast(5)) : nil }
        var found: [GenerationInfo] = []
        for process in processes where process > 0 && process != Limits.processID {
            guard isHeld(process) else {
                leave(process)
                continue
            }
            found.append(
                read(process)
                    ?? GenerationInfo(process: process, version: "", since: .now(), open: [:], tunnels: 0, hasTold: false))
        }
        return found.sorted { ($0.since.seconds, $0.process) < ($1.since.seconds, $1.process) }
    }

    /// Tells a process of the folder to finish and end. False if it has ended.
    func end(_ process: CInt) throws(Errno) -> Bool {
        let handle: ProcessHandle
        do throws(Errno) { handle = try ProcessHandle(process) } catch {
            guard error == .noSuchProcess else { throw error }
            return false
        }
        // Held after the process was opened: so it is the one that holds it, and not a later one of that number.
        guard isHeld(process) else { return false }
        try handle.ask(.terminate)
        return true
    }

    private func isHeld(_ process: CInt) -> Bool {
        do throws(Errno) {
            _ = try File.lock(lock(process))
            return false
        } catch { return error == .wouldBlock }
    }

    private func read(_ process: CInt) -> GenerationInfo? {
        guard let bytes = try? File.read(record(process), limit: Self.limit), let document = try? JSON.read(bytes),
            let info = GenerationInfo(record: document), info.process == process
        else { return nil }
        return info
    }
}
