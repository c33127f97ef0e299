// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Stops the program on a bug of ours, saying which. `precondition` loses its sentence with -O; this one is written first.
@inlinable @inline(__always)
package func invariant(
    _ condition: @autoclosure () -> Bool, _ sentence: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) {
    if !condition() { bug(sentence(), file: file, line: line) }
}

/// Ends the program after writing the sentence and the place to standard error.
@usableFromInline
package func bug(_ sentence: String, file: StaticString = #fileID, line: UInt = #line) -> Never {
    let text = Array("warren: bug: \(sentence) (\(file):\(line))\n".utf8)
    _ = unsafe text.withUnsafeBytes { unsafe write(2, $0.baseAddress, $0.count) }
    fatalError(sentence)
}
