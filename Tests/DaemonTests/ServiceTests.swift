// SPDX-License-Identifier: Apache-2.0

import Kernel
import Synchronization
import Testing

@testable import Daemon

@Suite struct ServiceNotifyTests {
    private final class Sent: Sendable {
        let all = Mutex<[String]>([])
    }

    private func notify(_ environment: [String: String], _ sent: Sent = Sent()) -> ServiceNotify? {
        ServiceNotify(environment: { environment[$0] }) { socket, bytes in
            sent.all.withLock { $0.append("\(socket) \(String(decoding: bytes, as: UTF8.self))") }
        }
    }

    @Test func `systemd is told what happens, on the socket that it named`() {
        let sent = Sent()
        let notify = notify(["NOTIFY_SOCKET": "@abstract"], sent)
        notify?.ready()
        notify?.status("2 workloads\nREADY=0")
        notify?.alive()
        notify?.stopping()
        #expect(
            sent.all.withLock { $0 } == [
                "@abstract READY=1", "@abstract STATUS=2 workloads", "@abstract WATCHDOG=1", "@abstract STOPPING=1",
            ])
    }

    @Test(arguments: [[:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "relative/path"]])
    func `nobody is told where nobody asked`(environment: [String: String]) { #expect(notify(environment) == nil) }

    @Test(arguments: [
        ("30000000", nil, Interval.seconds(15)), ("0", nil, nil), ("many", nil, nil), (nil, nil, nil),
        ("18446744073709551615", nil, nil), ("2000000", "1", nil),
    ])
    func `the watchdog is fed at half its time, if it is ours`(microseconds: String?, process: String?, interval: Interval?) {
        var environment = ["NOTIFY_SOCKET": "/run/systemd/notify"]
        environment["WATCHDOG_USEC"] = microseconds
        environment["WATCHDOG_PID"] = process
        #expect(notify(environment)?.watchdogInterval == interval)
        if process == nil, microseconds != nil {
            environment["WATCHDOG_PID"] = String(Limits.processID)
            #expect(notify(environment)?.watchdogInterval == interval)
        }
    }
}

@Suite struct SingleInstanceTests {
    @Test func `a daemon that answers is found, a socket that is left over is not`() throws {
        let path = "/tmp/warren-instance-\(Limits.processID).sock"
        defer { try? File.remove(path) }
        #expect(!SingleInstance.isServed(adminSocket: path))
        let listener = try UnixSocket.listen(path: path, mode: 0o600, backlog: 1)
        #expect(SingleInstance.isServed(adminSocket: path))
        listener.close()
        #expect(!SingleInstance.isServed(adminSocket: path))
    }
}
