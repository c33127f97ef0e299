// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// How OpenSSL reads and writes a session's bytes: input straight from the region that was lent, output to the end of the output buffer. No
/// socket, and no memory BIO with its copy in between.
enum SessionBIO {
    nonisolated(unsafe) private static let method: OpaquePointer = {
        let kind = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        let method = unsafe unwrap(BIO_meth_new(kind, "warren session"), "no memory for a BIO's method")
        unsafe require(BIO_meth_set_read_ex(method) { unsafe read($0, $1, $2, $3) }, "a BIO without read")
        unsafe require(BIO_meth_set_write_ex(method) { unsafe write($0, $1, $2, $3) }, "a BIO without write")
        unsafe require(BIO_meth_set_ctrl(method) { _, command, _, _ in control(command) }, "a BIO without control")
        return unsafe method
    }()

    /// One BIO for both directions. The session outlives it.
    static func make(for session: TLSSession) -> OpaquePointer {
        let bio = unsafe unwrap(BIO_new(method), "no memory for a BIO")
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(session).toOpaque())
        unsafe BIO_set_init(bio, 1)
        return unsafe bio
    }

    private static func read(
        _ bio: OpaquePointer?, _ target: UnsafeMutablePointer<CChar>?, _ room: Int, _ count: UnsafeMutablePointer<Int>?
    ) -> Int32 {
        guard let data = unsafe BIO_get_data(bio), let target = unsafe target, let count = unsafe count else { return 0 }
        let region = unsafe UnsafeMutableRawBufferPointer(start: target, count: room)
        let moved = unsafe Unmanaged<TLSSession>.fromOpaque(data)._withUnsafeGuaranteedRef { unsafe $0.takeInput(region) }
        unsafe count.pointee = moved
        guard moved == 0 else {
            unsafe BIO_clear_flags(bio, copenssl_bio_retry_flags)
            return 1
        }
        unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
        return 0
    }

    private static func write(
        _ bio: OpaquePointer?, _ source: UnsafePointer<CChar>?, _ length: Int, _ count: UnsafeMutablePointer<Int>?
    ) -> Int32 {
        guard let data = unsafe BIO_get_data(bio), let count = unsafe count else { return 0 }
        let bytes = unsafe UnsafeRawBufferPointer(start: source, count: length)
        unsafe Unmanaged<TLSSession>.fromOpaque(data)._withUnsafeGuaranteedRef { unsafe $0.output.append(bytes) }
        unsafe count.pointee = length
        return 1
    }

    /// A flush has nothing to do, but OpenSSL takes 0 for a failure.
    private static func control(_ command: Int32) -> Int { command == BIO_CTRL_FLUSH ? 1 : 0 }
}
