// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// A pipe in the hands of one direction of one relay.
package final class SplicePipe {
    let pipe: Pipe
    /// Bytes that went in and haven't come out.
    var held = 0

    init(_ pipe: consuming Pipe) { self.pipe = pipe }
}

/// Pipes for splicing, kept for the next bulk transfer. A pipe costs two descriptors and kernel memory, so there is a bound on how many
/// exist; a direction that gets none goes on copying. Owned by one loop.
package final class PipePool {
    /// 256 KiB let the kernel move a whole burst; more won nothing (measured with the plain relay).
    private static let pipeSize: CInt = 256 * 1024

    private let limit: Int
    private var made = 0
    private var free: [SplicePipe] = []

    /// - Parameter limit: how many pipes may exist at once.
    package init(limit: Int) { self.limit = limit }

    func take() -> SplicePipe? {
        if let pipe = free.popLast() { return pipe }
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
        if pipe.held == 0 { free.append(pipe) } else { made -= 1 }
    }

    /// Closes what lies unused.
    package func trim() {
        made -= free.count
        free.removeAll()
    }
}
