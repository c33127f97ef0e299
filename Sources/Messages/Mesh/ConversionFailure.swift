// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Why a message that is well formed says nothing that a host could use. The resource is rejected, others of the same push are not.
package struct ConversionFailure: Error, Hashable, Sendable {
    package let field: String
    package let reason: String

    init(_ field: String, _ reason: String) {
        self.field = field
        self.reason = reason
    }
}

/// Checked steps from what the wire can say to what makes sense.
enum Convert {
    static func address(_ bytes: [UInt8], _ field: String) throws(ConversionFailure) -> IPAddress {
        guard let address = IPAddress(bytes: bytes) else {
            throw ConversionFailure(field, "\(bytes.count) bytes are no IP address")
        }
        return address
    }

    static func port(_ number: UInt32, _ field: String) throws(ConversionFailure) -> UInt16 {
        guard let port = UInt16(exactly: number) else { throw ConversionFailure(field, "\(number) is no port") }
        return port
    }

    static func choice<Choice: RawRepresentable>(_ number: Int32, _ field: String) throws(ConversionFailure) -> Choice
    where Choice.RawValue == Int32 {
        guard let choice = Choice(rawValue: number) else { throw ConversionFailure(field, "\(number) is not known here") }
        return choice
    }

    static func map<Element, Result>(
        _ elements: [Element], _ transform: (Element) throws(ConversionFailure) -> Result
    ) throws(ConversionFailure) -> [Result] {
        var results: [Result] = []
        results.reserveCapacity(elements.count)
        for element in elements { results.append(try transform(element)) }
        return results
    }
}
