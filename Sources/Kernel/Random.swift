// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Random bytes of the kernel, good enough for identifiers of traces and for jitter; keys are OpenSSL's own business.
package func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}
