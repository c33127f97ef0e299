// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// A public key, immutable. Any thread.
@safe package final class PublicKey: Sendable {
    nonisolated(unsafe) let handle: OpaquePointer

    /// Takes over one reference.
    init(takingOwnership handle: OpaquePointer) { unsafe self.handle = handle }

    deinit { unsafe EVP_PKEY_free(handle) }

    /// `EC prime256v1`, `RSA 2048`.
    package var description: String {
        guard let type = unsafe EVP_PKEY_get0_type_name(handle) else { return "unknown" }
        let name = unsafe String(cString: type)
        guard name == "EC" else { return "\(name) \(unsafe EVP_PKEY_get_bits(handle))" }
        var group = [CChar](repeating: 0, count: 64)
        var length = 0
        guard unsafe EVP_PKEY_get_group_name(handle, &group, group.count, &length) == 1 else { return name }
        return "\(name) \(printable(group.prefix(length).map { UInt8(bitPattern: $0) }))"
    }

    /// Whether both are the same key.
    package func isEqual(to other: PublicKey) -> Bool { unsafe EVP_PKEY_eq(handle, other.handle) == 1 }
}
