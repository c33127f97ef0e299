// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// Bytes as OpenSSL's readers and writers of PEM and of names want them. Never in the way of a session's bytes.
@safe struct MemoryBIO: ~Copyable {
    let handle: OpaquePointer

    /// Empty, to be written to.
    init() { unsafe handle = unwrap(BIO_new(BIO_s_mem()), "no memory for a BIO") }

    /// Over a copy of these bytes, to be read from.
    init(_ bytes: [UInt8]) {
        self.init()
        guard !bytes.isEmpty else { return }
        var written = 0
        unsafe require(BIO_write_ex(handle, bytes, bytes.count, &written), "no memory for the bytes of a BIO")
        precondition(written == bytes.count, "a memory BIO took a part")
    }

    deinit { unsafe BIO_free_all(handle) }

    /// Takes out what was written.
    func bytes() -> [UInt8] {
        let count = unsafe BIO_ctrl_pending(handle)
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
            unsafe require(BIO_read_ex(handle, buffer.baseAddress, count, &length), "a memory BIO lost its bytes")
        }
    }

    /// Takes out what was written, as text that is safe in a log line.
    func text() -> String { printable(bytes()) }
}

/// Text from a certificate or a peer, fit for one line of a log: at most 256 bytes, nothing but printable ASCII; all else is `?`.
func printable(_ bytes: some Collection<UInt8>) -> String {
    let cut = bytes.prefix(256).map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }
    return String(decoding: cut, as: UTF8.self) + (bytes.count > 256 ? "…" : "")
}
