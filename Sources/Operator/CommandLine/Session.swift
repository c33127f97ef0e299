// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// What a command has to do with the outside: where it prints, whom it asks, what time it is. One per run of the program, on its
/// one thread.
package final class Session {
    package let console: Console
    /// Sends a request to the admin API at a socket.
    let ask: (AdminRequest) -> Result<AdminAnswer, AdminFailure>
    let now: () -> WallTime
    /// Pauses between two pictures of `--watch`; false ends it.
    let pause: (Interval) -> Bool
    /// The way to a control plane.
    let connect: (ControlEndpoint) throws(ControlFailure) -> any ControlClient
    /// Variables of the environment.
    let environment: (String) -> String?
    /// Runs a program on the same terminal and waits for its end; nil if it can't be started.
    let execute: (_ program: String, _ arguments: [String]) -> ProcessEnd?
    /// Where this host keeps what concerns the mesh.
    let places: HostPlaces

    package init(
        console: Console, ask: @escaping (AdminRequest) -> Result<AdminAnswer, AdminFailure> = AdminClient.send,
        now: @escaping () -> WallTime = WallTime.now, pause: @escaping (Interval) -> Bool = Session.sleep,
        connect: @escaping (ControlEndpoint) throws(ControlFailure) -> any ControlClient = Session.client,
        environment: @escaping (String) -> String? = environmentVariable,
        execute: @escaping (_ program: String, _ arguments: [String]) -> ProcessEnd? = Session.child,
        places: HostPlaces = HostPlaces()
    ) {
        self.console = console
        self.ask = ask
        self.now = now
        self.pause = pause
        self.connect = connect
        self.environment = environment
        self.execute = execute
        self.places = places
    }

    /// Starts a program with our standard streams and waits for it, however long a person sits before it.
    package static func child(_ program: String, _ arguments: [String]) -> ProcessEnd? {
        do throws(Errno) {
            var child = try ChildProcess(program, arguments, descriptors: [(0, 0), (1, 1), (2, 2)])
            while true {
                if let end = try child.poll() { return end }
                Thread.sleep(.milliseconds(20))
            }
        } catch {
            return nil
        }
    }

    package static func sleep(_ time: Interval) -> Bool {
        Thread.sleep(time)
        return true
    }

    /// Says that the command line is wrong.
    func usage(_ message: String, hint: String = "") -> ExitCode {
        console.complain("warren: \(message)\(hint.isEmpty ? "" : ". \(hint)")\n")
        return .usage
    }

    /// Says that something failed.
    func failed(_ message: String, remedy: String = "") -> ExitCode {
        // Names in it may be those of peers.
        console.complain("warren: \(printable(message))\n\(remedy.isEmpty ? "" : "  → \(printable(remedy))\n")")
        return .failed
    }

    /// Says that the daemon didn't answer as it should.
    func failed(_ failure: AdminFailure) -> ExitCode {
        _ = failed(failure.message, remedy: failure.remedy)
        return failure.isUnreachable ? .unreachable : .failed
    }
}
