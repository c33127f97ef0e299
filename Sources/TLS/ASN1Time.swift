// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// Unix seconds to and from what certificates hold.
enum ASN1Time {
    private static let secondsOfDay: Int64 = 86_400

    /// Unix seconds; nil if the time can't be read.
    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        guard let epoch = unsafe ASN1_TIME_set(nil, 0) else { return nil }
        defer { unsafe ASN1_TIME_free(epoch) }
        var (days, seconds): (Int32, Int32) = (0, 0)
        guard let time = unsafe time, unsafe ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return nil }
        return Int64(days) * secondsOfDay + Int64(seconds)
    }

    /// A time to put into a certificate; the caller frees it. Nil outside the years 0 to 9999, which X.509 can't say.
    static func make(_ seconds: Int64) -> UnsafeMutablePointer<ASN1_TIME>? {
        defer { OpenSSLErrors.clear() }
        guard let time = Int(exactly: seconds) else { return nil }
        return unsafe ASN1_TIME_set(nil, time)
    }
}
