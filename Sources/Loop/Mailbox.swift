// SPDX-License-Identifier: Apache-2.0

package import Kernel
import Synchronization

/// Messages from other threads to a loop, in the order in which each sender sent them. Sending takes no lock: a Treiber stack that the loop
/// takes whole and turns around.
///
/// Any thread may send. The loop that `attach`ed receives, on its own thread. It grows with what is sent: senders bound themselves.
@safe package final class Mailbox<Message: Sendable>: Sendable {
    private final class Node {
        let message: Message
        /// The address of the node below; 0 at the bottom.
        var next: UInt = 0
        init(_ message: Message) { self.message = message }
    }

    /// The address of the newest node, which it retains.
    private let head = Atomic<UInt>(0)
    private let counter: EventCounter

    package init() throws(Errno) { counter = try EventCounter() }

    deinit { _ = takeAll() }

    /// Leaves a message and wakes the loop if it may sleep.
    package func send(_ message: Message) {
        let node = Node(message)
        let address = unsafe UInt(bitPattern: Unmanaged.passRetained(node).toOpaque())
        var below = head.load(ordering: .relaxed)
        while true {
            node.next = below
            let (done, original) = head.compareExchange(
                expected: below, desired: address, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
            if done { break }
            below = original
        }
        // Only the first of a batch has to wake: the loop clears the counter before it takes the stack.
        if below == 0 { counter.signal() }
    }

    /// Lets the loop receive. Once, from the loop's thread or before it runs.
    package func attach(to loop: Loop, _ receive: @escaping (Message) -> Void) throws(Errno) {
        let source = MailboxSource(self, receive)
        _ = try loop.watch(counter.descriptor.number, for: .read, exclusive: false, source: source)
    }

    fileprivate func takeAll() -> ContiguousArray<Message> {
        var messages: ContiguousArray<Message> = []
        var address = head.exchange(0, ordering: .acquiringAndReleasing)
        while let pointer = unsafe UnsafeMutableRawPointer(bitPattern: address) {
            let node = unsafe Unmanaged<Node>.fromOpaque(pointer).takeRetainedValue()
            messages.append(node.message)
            address = node.next
        }
        messages.reverse()
        return messages
    }

    fileprivate func clear() { counter.clear() }
}

private final class MailboxSource<Message: Sendable>: EventSource {
    private let mailbox: Mailbox<Message>
    private let receive: (Message) -> Void

    init(_ mailbox: Mailbox<Message>, _ receive: @escaping (Message) -> Void) {
        self.mailbox = mailbox
        self.receive = receive
    }

    func ready(_ readiness: Readiness) {
        mailbox.clear()
        for message in mailbox.takeAll() { receive(message) }
    }
}
