// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// OpenSSL's error queue of this thread. It must be empty before a call whose outcome `SSL_get_error` explains, or that outcome is the
/// one of an older call.
enum OpenSSLErrors {
    static func clear() { ERR_clear_error() }

    /// The first error in the queue, which is the cause; nil when there is none. The queue stays.
    static var first: UInt? {
        let code = ERR_peek_error()
        return code == 0 ? nil : code
    }

    /// What the library says of the first error, or what to say where it says nothing. Empties the queue.
    static func take(or otherwise: String = "OpenSSL gave no reason") -> String {
        defer { clear() }
        return first.flatMap(sentence) ?? otherwise
    }

    /// The reason alone, without library and function.
    static func sentence(_ code: UInt) -> String? {
        guard let text = unsafe ERR_reason_error_string(code) else { return nil }
        return unsafe String(cString: text)
    }
}

/// Stops the program: OpenSSL had no memory, or was asked for what it can't do. Neither depends on what a peer sends.
func unwrap<Value>(_ value: Value?, _ what: StaticString) -> Value {
    guard let value else { preconditionFailure("OpenSSL: \(what)") }
    return value
}

/// The same for calls that answer 1 when they did what they were told.
func require(_ result: some BinaryInteger, _ what: StaticString) {
    precondition(result == 1, "OpenSSL: \(what)")
}
