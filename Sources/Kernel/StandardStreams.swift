// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Standard output and error of programs.
package enum StandardStream: Sendable {
    case output
    case error

    private var number: CInt { self == .output ? 1 : 2 }

    /// Whether a person is looking.
    package var isTerminal: Bool { isatty(number) == 1 }

    /// Writes everything; what can't be written is lost, for there is nowhere else to say so.
    package func write(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.write(number, $0.baseAddress?.advanced(by: sent), $0.count - sent)
            }
            if count == -1 && errno == EINTR { continue }
            guard count > 0 else { return }
            sent += count
        }
    }
}

/// Ends the program with a code.
package func exitProgram(_ code: CInt) -> Never { exit(code) }

/// The value of an environment variable.
package func environmentVariable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
}

/// This machine's name, as `uname -n` says.
package func hostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
