// SPDX-License-Identifier: Apache-2.0

package import Bytes

/// The small values that workloads and services are made of; named as `istio.workload` names them.

/// A port of a service and where it leads.
package struct Port: Hashable, Sendable {
    package enum AppProtocol: Int32, Hashable, Sendable, CaseIterable {
        case unknown = 0
        case http11 = 1
        case http2 = 2
        case grpc = 3
        case tcp = 4
        case tls = 5
    }

    package let servicePort: UInt16
    /// 0 in a service: each endpoint says itself. 0 in an endpoint: the service's target, or the same port.
    package let targetPort: UInt16
    package let appProtocol: AppProtocol

    package init(servicePort: UInt16, targetPort: UInt16, appProtocol: AppProtocol = .unknown) {
        self.servicePort = servicePort
        self.targetPort = targetPort
        self.appProtocol = appProtocol
    }
}

/// An address within a network, or with `length` a block of them.
package struct NetworkAddress: Hashable, Sendable {
    package let network: String
    package let address: IPAddress
    /// Leading bits that count; nil for the address alone.
    package let length: UInt8?

    package init(network: String, address: IPAddress, length: UInt8? = nil) {
        self.network = network
        self.address = address
        self.length = length
    }
}

/// A proxy on the way: a waypoint or the gateway of another network.
package struct GatewayAddress: Hashable, Sendable {
    package enum Destination: Hashable, Sendable {
        case hostname(namespace: String, hostname: String)
        case address(NetworkAddress)
    }

    package let destination: Destination
    /// Normally 15008.
    package let hboneMTLSPort: UInt16

    package init(destination: Destination, hboneMTLSPort: UInt16) {
        self.destination = destination
        self.hboneMTLSPort = hboneMTLSPort
    }
}

package struct WeightedWaypoint: Hashable, Sendable {
    package let destination: GatewayAddress
    package let weight: UInt32

    package init(destination: GatewayAddress, weight: UInt32) {
        self.destination = destination
        self.weight = weight
    }
}

/// Where a workload is, from coarse to fine. Empty names are unknown.
package struct Locality: Hashable, Sendable {
    package let region: String
    package let zone: String
    package let subzone: String

    package init(region: String, zone: String = "", subzone: String = "") {
        self.region = region
        self.zone = zone
        self.subzone = subzone
    }
}

/// The application takes all traffic on one port, perhaps with a PROXY header in front.
package struct ApplicationTunnel: Hashable, Sendable {
    package enum Header: Int32, Hashable, Sendable, CaseIterable {
        case none = 0
        case proxy = 1
    }

    package let header: Header
    package let port: UInt16

    package init(header: Header, port: UInt16) {
        self.header = header
        self.port = port
    }
}
