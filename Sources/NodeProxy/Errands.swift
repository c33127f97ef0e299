// SPDX-License-Identifier: Apache-2.0

internal import Kernel
internal import Loop

/// A thread for what blocks or takes long. Errands run one after the other, in the order in which they were sent; each answers by a message to
/// whoever sent it. Ends with the process.
final class Errands: Sendable {
    private let mailbox: Mailbox<@Sendable () -> Void>

    /// - Parameter niceness: 0 to 19, the more the sooner it makes way for traffic.
    init(_ name: String, niceness: CInt = 0) throws(Errno) {
        let mailbox = try Mailbox<@Sendable () -> Void>()
        self.mailbox = mailbox
        _ = try Thread(name: name, niceness: niceness) {
            do throws(Errno) {
                let loop = try Loop()
                try mailbox.attach(to: loop) { errand in errand() }
                loop.run()
            } catch {
                bug("the errands' loop can't be made: \(error)")
            }
        }
    }

    func run(_ errand: @escaping @Sendable () -> Void) { mailbox.send(errand) }
}
