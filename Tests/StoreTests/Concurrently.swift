// SPDX-License-Identifier: Apache-2.0

import Kernel

/// Runs a body on so many threads at once and waits for all.
func concurrently(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws {
    let threads = try (0..<count).map { index in try Thread(name: "store-\(index)") { body(index) } }
    for thread in threads { thread.join() }
}
