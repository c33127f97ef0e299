// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel

/// Something in the lab didn't do what it had to.
struct LabFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// A program that runs to its end; its output is what it wrote.
@discardableResult
func run(_ arguments: [String], input: String = "", seconds: UInt64 = 20) throws -> String {
    let program = try Program(arguments)
    program.write(input)
    program.endInput()
    let output = try program.readAll()
    let end = try program.wait(seconds: seconds)
    guard end == .exited(0) else { throw LabFailure("\(arguments.joined(separator: " ")): \(end)\n\(output)") }
    return output
}

/// A child with its input and output in our hands, killed when the object goes. Standard error goes with the output.
final class Program {
    let id: CInt
    private var child: ChildProcess
    private var input: Descriptor?
    private let output: Descriptor
    private var pending: [UInt8] = []

    init(_ arguments: [String]) throws {
        let toChild = try BlockingPipe()
        let fromChild = try BlockingPipe()
        let (theirInput, theirOutput) = (toChild.readEnd.number, fromChild.writeEnd.number)
        let input = try toChild.writeEnd.duplicate()
        let output = try fromChild.readEnd.duplicate()
        let child = try ChildProcess(
            arguments[0], Array(arguments.dropFirst()), descriptors: [(theirInput, 0), (theirOutput, 1), (theirOutput, 2)])
        id = child.id
        self.child = child
        self.input = consume input
        self.output = output
    }

    func write(_ text: String) { try? input?.writeAll(Array(text.utf8)) }

    func endInput() { input = nil }

    /// The next line the child writes; the test waits at most 30 s for it, since a child that hangs must not hang us.
    func line() throws -> String {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let text = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 1)
                return text
            }
            guard try more() else { throw LabFailure("the child ended after: \(String(decoding: pending, as: UTF8.self))") }
        }
    }

    func readAll() throws -> String {
        while try more() {}
        return String(decoding: pending, as: UTF8.self)
    }

    func wait(seconds: UInt64) throws -> ProcessEnd {
        guard let end = try child.wait(atMost: .seconds(seconds)) else { throw LabFailure("the child didn't end in time") }
        return end
    }

    func kill() {
        child.signal(9)
        _ = try? child.wait(atMost: .seconds(5))
    }

    private func more() throws -> Bool {
        let epoll = try Epoll(capacity: 1)
        try epoll.add(output.number, .read, word: 0)
        guard try epoll.wait(milliseconds: 30_000) > 0 else { throw LabFailure("the child said nothing for 30 s") }
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        guard case .moved(let count) = try output.read(into: &chunk) else { return false }
        pending += chunk.prefix(count)
        return true
    }
}
