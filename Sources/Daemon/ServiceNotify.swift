// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// Tells systemd how we do (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names. Without that variable nobody asked,
/// and there is no value of this type. Any thread; a message that can't be sent is lost, for systemd's own time-outs stand behind
/// it.
package struct ServiceNotify: Sendable {
    /// Sends one datagram to a Unix socket: a path, or a name that begins with `@` in the abstract namespace.
    package typealias Send = @Sendable (_ socket: String, _ bytes: [UInt8]) -> Void

    private let socket: String
    private let send: Send
    /// How often `alive` must be told: half of what systemd allows; nil if it doesn't watch.
    package let watchdogInterval: Interval?

    /// Nil if this process isn't a service that systemd wants to hear from.
    package init?(environment: (String) -> String? = environmentVariable, send: @escaping Send) {
        guard let socket = environment("NOTIFY_SOCKET"), socket.hasPrefix("/") || socket.hasPrefix("@") else { return nil }
        self.socket = socket
        self.send = send
        // WATCHDOG_PID names another process when the variable came down to us from a parent.
        let isOurs = environment("WATCHDOG_PID").map { $0 == String(Limits.processID) } ?? true
        let microseconds = environment("WATCHDOG_USEC").flatMap { UInt64($0) } ?? 0
        let (nanoseconds, overflow) = microseconds.multipliedReportingOverflow(by: 500)
        watchdogInterval = isOurs && nanoseconds > 0 && !overflow ? Interval(nanoseconds: nanoseconds) : nil
    }

    /// We serve.
    package func ready() { tell("READY=1") }
    /// We finish what runs and end.
    package func stopping() { tell("STOPPING=1") }
    /// Every loop turned since the last time.
    package func alive() { tell("WATCHDOG=1") }
    /// Another process is the service's main process from now on.
    package func mainProcess(_ process: Int32) { tell("MAINPID=\(process)") }
    /// One line for `systemctl status`.
    package func status(_ text: String) { tell("STATUS=\(text.prefix { $0 != "\n" })") }

    private func tell(_ text: String) { send(socket, Array(text.utf8)) }
}
