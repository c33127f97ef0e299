// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The place of a workload in one snapshot. Meaningless in another: across snapshots a workload is known by its uid.
package struct WorkloadID: Hashable, Sendable, Comparable {
    package let index: Int32

    init(_ index: Int) { self.index = Int32(index) }

    package static func < (a: WorkloadID, b: WorkloadID) -> Bool { a.index < b.index }
}

/// The place of a service in one snapshot.
package struct ServiceID: Hashable, Sendable, Comparable {
    package let index: Int32

    init(_ index: Int) { self.index = Int32(index) }

    package static func < (a: ServiceID, b: ServiceID) -> Bool { a.index < b.index }
}

/// What a repeated attempt must not choose again: the endpoint's own address and port, which stay true across snapshots.
package typealias EndpointKey = SocketAddress
