// SPDX-License-Identifier: Apache-2.0

import Kernel
import Loop
import Synchronization
import Testing

/// Messages from many threads to one loop.
@Suite struct MailboxTests {
    private struct Letter: Sendable {
        let sender: Int
        let number: Int
    }

    /// Turns the loop until the condition holds; a test that waits in vain fails instead of hanging.
    private func turn(_ loop: Loop, until condition: () -> Bool) {
        let deadline = Instant.now() + .seconds(60)
        while !condition(), Instant.now() < deadline { loop.turn(wait: .milliseconds(100)) }
        #expect(condition(), "not within a minute")
    }

    @Test func `nothing is lost between many threads, and each sender's order stays`() throws {
        let (senders, each) = (8, 5_000)
        let loop = try Loop()
        let mailbox = try Mailbox<Letter>()
        var next = [Int](repeating: 0, count: senders)
        var total = 0
        var isInOrder = true
        try mailbox.attach(to: loop) { letter in
            isInOrder = isInOrder && next[letter.sender] == letter.number
            next[letter.sender] = letter.number + 1
            total += 1
        }
        let threads = try (0..<senders).map { sender in
            try Thread(name: "sender") { for number in 0..<each { mailbox.send(Letter(sender: sender, number: number)) } }
        }
        turn(loop) { total == senders * each }
        for thread in threads { thread.join() }
        #expect(isInOrder)
        #expect(next == Array(repeating: each, count: senders))
    }

    @Test func `a message wakes a loop that sleeps, each time`() throws {
        let loop = try Loop()
        let mailbox = try Mailbox<Int>()
        var received: [Int] = []
        try mailbox.attach(to: loop) { received.append($0) }
        for number in 0..<200 {
            let thread = try Thread(name: "waker") { mailbox.send(number) }
            // A wake that is lost once is lost for good: the mailbox isn't empty any more, so nobody signals again.
            turn(loop) { received.count > number }
            thread.join()
        }
        #expect(received == Array(0..<200))
    }

    @Test func `messages from before the loop was attached are delivered in order`() throws {
        let loop = try Loop()
        let mailbox = try Mailbox<Int>()
        for number in 0..<10 { mailbox.send(number) }
        var received: [Int] = []
        try mailbox.attach(to: loop) { received.append($0) }
        turn(loop) { received.count == 10 }
        #expect(received == Array(0..<10))
    }

    @Test func `a message sent while one is received comes in a later turn`() throws {
        let loop = try Loop()
        let mailbox = try Mailbox<Int>()
        var turns: [UInt64] = []
        try mailbox.attach(to: loop) { number in
            turns.append(loop.turns)
            if number < 3 { mailbox.send(number + 1) }
        }
        mailbox.send(1)
        turn(loop) { turns.count == 3 }
        #expect(turns == turns.sorted() && Set(turns).count == 3)
    }

    @Test func `many messages cost one wake`() throws {
        let loop = try Loop()
        let mailbox = try Mailbox<Int>()
        var received = 0
        try mailbox.attach(to: loop) { _ in received += 1 }
        for number in 0..<1_000 { mailbox.send(number) }
        loop.turn(wait: .zero)
        #expect(received == 1_000)
        #expect(loop.turns == 1)
    }

    @Test func `two loops may post to each other`() throws {
        let (here, there) = (try Mailbox<Int>(), try Mailbox<Int>())
        let thread = try Thread(name: "echo") {
            guard let loop = try? Loop() else { return }
            let attached: Void? = try? there.attach(to: loop) { number in
                here.send(number)
                if number == 500 { loop.stop() }
            }
            if attached != nil { loop.run() }
        }
        let loop = try Loop()
        var received: [Int] = []
        try here.attach(to: loop) { number in
            received.append(number)
            if number < 500 { there.send(number + 1) }
        }
        there.send(1)
        turn(loop) { received.count == 500 }
        #expect(received == Array(1...500))
        thread.join()
    }

    @Test func `what nobody received is let go with the mailbox`() throws {
        final class Parcel: Sendable {
            let count: Counter
            init(_ count: Counter) {
                self.count = count
                count.value.wrappingAdd(1, ordering: .relaxed)
            }
            deinit { count.value.wrappingSubtract(1, ordering: .relaxed) }
        }
        final class Counter: Sendable { let value = Atomic<Int>(0) }
        let count = Counter()
        do {
            let mailbox = try Mailbox<Parcel>()
            for _ in 0..<100 { mailbox.send(Parcel(count)) }
            #expect(count.value.load(ordering: .relaxed) == 100)
        }
        #expect(count.value.load(ordering: .relaxed) == 0)
    }
}
