// SPDX-License-Identifier: Apache-2.0

import Kernel
import Testing

@testable import Tunnel

/// What counts as bulk.
@Suite struct BulkWatchTests {
    private let start = Instant.now()

    /// Frames of a size, one in so many milliseconds: at which of them bulk begins.
    private func begins(_ watch: inout BulkWatch, frames: Int, of size: Int, every milliseconds: UInt64) -> Int? {
        for number in 0..<frames where watch.note(size, at: start + .milliseconds(UInt64(number) * milliseconds)) {
            return number
        }
        return nil
    }

    @Test func `half a megabyte in large frames without a pause is bulk, told once`() {
        var watch = BulkWatch()
        #expect(begins(&watch, frames: 100, of: 16 * 1024, every: 1) == 31)
        let again = watch.note(16 * 1024, at: start + .milliseconds(32))
        #expect(!again)
        #expect(watch.isBusy(at: start + .milliseconds(900)))
    }

    @Test func `small frames are none however many, and large ones now and then neither`() {
        var watch = BulkWatch()
        #expect(begins(&watch, frames: 10_000, of: BulkWatch.frame - 1, every: 0) == nil)
        #expect(begins(&watch, frames: 500, of: 16 * 1024, every: 10) == nil)
    }

    @Test func `a second after the last of it the tunnel is like any other, and the next bulk is told again`() {
        var watch = BulkWatch()
        _ = begins(&watch, frames: 40, of: 16 * 1024, every: 0)
        let later = start + .seconds(1)
        #expect(!watch.isBusy(at: later))
        let told = (0..<32).map { _ in watch.note(16 * 1024, at: later) }
        #expect(told.filter { $0 } == [true] && told.last == true)
    }
}
