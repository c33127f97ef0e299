// SPDX-License-Identifier: Apache-2.0

package import Kernel
package import Loop

/// A pipe in the hands of one direction of one relay.
package final class SplicePipe {
    let pipe: Pipe
    /// Bytes that went in and haven't come out.
    var held = 0

    init(_ pipe: consuming Pipe) { self.pipe = pipe }
}

/// Pipes for splicing, kept for the next bulk transfer. A pipe costs two descriptors and kernel memory, so there is a bound on how many
/// exist, and those that nobody needs are closed; a direction that gets none goes on copying. Owned by one loop, which must outlive it.
package final class PipePool: TimerTarget {
    /// 256 KiB let the kernel move a whole burst; more won nothing (measured with the plain relay).
    private static let pipeSize: CInt = 256 * 1024

    private let limit: Int
    private let rest: Interval
    private unowned let loop: Loop
    private var made = 0
    private var free: [SplicePipe] = []
    /// The fewest that lay unused at any time since the timer was armed: so many were not needed.
    private var spare = 0
    private var timer: Token?

    /// - Parameters:
    ///   - limit: how many pipes may exist at once.
    ///   - rest: how long a pipe lies unused before it is closed, up to twice as long where it was the last to come back.
    package init(limit: Int, loop: Loop, rest: Interval = .seconds(10)) {
        self.limit = limit
        self.loop = loop
        self.rest = rest
    }

    func take() -> SplicePipe? {
        if let pipe = free.popLast() {
            spare = min(spare, free.count)
            return pipe
        }
        guard made < limit else { return nil }
        do throws(Errno) {
            let pipe = SplicePipe(try Pipe(size: Self.pipeSize))
            made += 1
            return pipe
        } catch {
            // Out of descriptors: copying needs none.
            return nil
        }
    }

    /// A pipe that still holds bytes belongs to a connection that failed: it is closed, not reused.
    func giveBack(_ pipe: SplicePipe) {
        guard pipe.held == 0 else {
            made -= 1
            return
        }
        free.append(pipe)
        if timer == nil { watch() }
    }

    /// Closes what lay unused all the time since it looked last.
    package func timerFired(_ tag: UInt32) {
        timer = nil
        made -= spare
        free.removeFirst(spare)
        if !free.isEmpty { watch() }
    }

    private func watch() {
        spare = free.count
        timer = loop.arm(rest, self, tag: 0)
    }
}
