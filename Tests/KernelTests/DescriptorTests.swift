// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

struct DescriptorTests {
    @Test func `a descriptor closes with its value, once, and a duplicate is its own`() throws {
        let pipe = try Pipe(size: 4096)
        let copy = try pipe.writeEnd.duplicate()
        #expect(copy.number != pipe.writeEnd.number)
        let raw = copy.release()
        let again = Descriptor(takingOwnership: raw)
        again.close()
        #expect(throws: Errno.noSuchFile) { try File.status("/proc/self/fd/\(raw)", followLink: false) }
    }

    @Test func `closing twice ends the program`() async {
        await #expect(processExitsWith: .failure) {
            let pipe = try Pipe(size: 4096)
            let number = pipe.readEnd.number
            Descriptor(takingOwnership: number).close()
            _ = consume pipe
        }
    }

    @Test func `a full pipe makes wait, an empty one too, a closed one ends or fails`() throws {
        ignoreBrokenPipes()
        let pipe = try Pipe(size: 4096)
        var bytes = [UInt8](repeating: 7, count: 4096)
        #expect(try pipe.readEnd.read(into: &bytes) == .wouldBlock)
        while case .moved = try Self.write(pipe.writeEnd, bytes) {}
        #expect(try Self.write(pipe.writeEnd, bytes) == .wouldBlock)
        let reader = try Pipe(size: 4096)
        let writer = try reader.writeEnd.duplicate()
        let end = try reader.readEnd.duplicate()
        _ = consume reader
        writer.close()
        #expect(try end.read(into: &bytes) == .endOfStream)
    }

    private static func write(_ descriptor: borrowing Descriptor, _ bytes: [UInt8]) throws -> Transfer {
        let number = descriptor.number
        _ = number
        return try unsafe bytes.withUnsafeBytes { try unsafe descriptor.write($0) }
    }

    @Test func `a counter wakes whoever watches it until it is cleared`() throws {
        let counter = try EventCounter()
        let epoll = try Epoll(capacity: 4)
        try epoll.add(counter.descriptor.number, .read, word: 42)
        #expect(try epoll.wait(milliseconds: 0) == 0)
        counter.signal()
        counter.signal()
        #expect(try epoll.wait(milliseconds: 0) == 1)
        let event = epoll.event(0)
        #expect(event.word == 42 && event.readiness.contains(.read))
        #expect(try epoll.wait(milliseconds: 0) == 1)
        counter.clear()
        counter.clear()
        #expect(try epoll.wait(milliseconds: 0) == 0)
        try epoll.remove(counter.descriptor.number)
        counter.signal()
        #expect(try epoll.wait(milliseconds: 0) == 0)
    }

    @Test func `an error's text is the system's, in our sentences' case`() {
        #expect(Errno.connectionRefused.description == "connection refused")
        #expect(Errno(12345).description == "error 12345")
        #expect(Errno.tooManyFilesOpen.isExhaustion && Errno.noMemory.isExhaustion && !Errno.pipe.isExhaustion)
    }
}
