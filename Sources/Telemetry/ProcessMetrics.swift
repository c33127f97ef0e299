// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// What the kernel says about this process, read for each scrape. Blocking only as /proc is.
package struct ProcessMetrics: Sendable {
    package let openDescriptors: Int64?
    package let maximumDescriptors: Int64?
    /// Bytes.
    package let residentMemory: Int64?
    package let virtualMemory: Int64?
    /// Seconds.
    package let processorSeconds: Double?

    package static func read() -> ProcessMetrics {
        let limits = ProcFile.text("/proc/self/limits") ?? ""
        let status = ProcFile.text("/proc/self/status") ?? ""
        return ProcessMetrics(
            openDescriptors: countDescriptors(), maximumDescriptors: ProcFile.number(after: "Max open files", in: limits),
            residentMemory: ProcFile.number(after: "VmRSS:", in: status).map { $0 * 1024 },
            virtualMemory: ProcFile.number(after: "VmSize:", in: status).map { $0 * 1024 },
            processorSeconds: processorTime(ProcFile.text("/proc/self/stat") ?? ""))
    }

    /// Kernels from 6.2 on tell the number as the directory's size; before that the names have to be counted.
    private static func countDescriptors() -> Int64? {
        if let size = try? File.status("/proc/self/fd").size, size > 0 { return size }
        return (try? File.names(in: "/proc/self/fd")).map { Int64($0.count) }
    }

    /// Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second on every Linux we run on. Field 2 may hold spaces and
    /// brackets.
    static func processorTime(_ stat: String) -> Double? {
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return (user + system) / 100
    }
}

extension MetricRegistry {
    /// Sets the `process_…` family.
    package func set(_ process: ProcessMetrics) {
        if let count = process.openDescriptors { set(.openDescriptors, to: Double(count)) }
        if let count = process.maximumDescriptors { set(.maximumDescriptors, to: Double(count)) }
        if let bytes = process.residentMemory { set(.residentMemory, to: Double(bytes)) }
        if let bytes = process.virtualMemory { set(.virtualMemory, to: Double(bytes)) }
        if let seconds = process.processorSeconds { set(.processorSeconds, to: seconds) }
    }
}

/// Small files of /proc.
enum ProcFile {
    static func text(_ path: String) -> String? {
        (try? File.read(path, limit: 64 * 1024)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The first number on the line that begins with `name`.
    static func number(after name: String, in text: String) -> Int64? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        return line.dropFirst(name.count).split { $0 == " " || $0 == "\t" }.first.flatMap { Int64($0) }
    }
}
