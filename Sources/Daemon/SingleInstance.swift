// SPDX-License-Identifier: Apache-2.0

internal import Kernel

/// Whether another daemon already serves with this configuration. Ask before anything is bound: to bind replaces a socket that is
/// left over, and would take it from one that lives.
package enum SingleInstance {
    /// Whether somebody answers at the admin socket. Blocking, for some microseconds.
    package static func isServed(adminSocket path: String) -> Bool {
        do throws(Errno) {
            _ = try UnixSocket.connect(path: path)
            return true
        } catch {
            return false
        }
    }
}
