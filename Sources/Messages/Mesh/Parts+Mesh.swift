// SPDX-License-Identifier: Apache-2.0

import Bytes
import Mesh

/// The small values of the mesh model as messages, and back.

extension WorkloadAPI.Port {
    init(_ port: Port) {
        self.init()
        servicePort = UInt32(port.servicePort)
        targetPort = UInt32(port.targetPort)
        appProtocol = port.appProtocol.rawValue
    }

    func model() throws(ConversionFailure) -> Port {
        // What the application speaks decides nothing below HTTP: a protocol of the future is as good as unknown.
        Port(
            servicePort: try Convert.port(servicePort, "service_port"), targetPort: try Convert.port(targetPort, "target_port"),
            appProtocol: Port.AppProtocol(rawValue: appProtocol) ?? .unknown)
    }
}

extension WorkloadAPI.NetworkAddress {
    init(_ address: NetworkAddress) {
        self.init()
        network = address.network
        self.address = address.address.bytes
        length = address.length.map(UInt32.init)
    }

    func model() throws(ConversionFailure) -> NetworkAddress {
        let ip = try Convert.address(address, "address")
        guard let length else { return NetworkAddress(network: network, address: ip) }
        guard length <= ip.bitCount, let bits = UInt8(exactly: length) else {
            throw ConversionFailure("length", "\(length) bits are more than the address has")
        }
        return NetworkAddress(network: network, address: ip, length: bits)
    }
}

extension WorkloadAPI.GatewayAddress {
    init(_ gateway: GatewayAddress) {
        self.init()
        hboneMTLSPort = UInt32(gateway.hboneMTLSPort)
        switch gateway.destination {
        case .address(let address): self.address = WorkloadAPI.NetworkAddress(address)
        case .hostname(let namespace, let name):
            var hostname = WorkloadAPI.NamespacedHostname()
            hostname.namespace = namespace
            hostname.hostname = name
            self.hostname = hostname
        }
    }

    func model() throws(ConversionFailure) -> GatewayAddress {
        let destination: GatewayAddress.Destination
        if let hostname {
            destination = .hostname(namespace: hostname.namespace, hostname: hostname.hostname)
        } else if let address {
            destination = .address(try address.model())
        } else {
            throw ConversionFailure("destination", "a gateway without an address")
        }
        return GatewayAddress(destination: destination, hboneMTLSPort: try Convert.port(hboneMTLSPort, "hbone_mtls_port"))
    }
}

extension WorkloadAPI.WeightedWaypoint {
    init(_ waypoint: WeightedWaypoint) {
        self.init()
        destination = WorkloadAPI.GatewayAddress(waypoint.destination)
        weight = waypoint.weight
    }

    func model() throws(ConversionFailure) -> WeightedWaypoint {
        guard let destination else { throw ConversionFailure("destination", "a waypoint without an address") }
        return WeightedWaypoint(destination: try destination.model(), weight: weight)
    }
}

extension WorkloadAPI.LoadBalancing {
    init(_ balancing: LoadBalancing) {
        self.init()
        routingPreference = balancing.routingPreference.map(\.rawValue)
        mode = balancing.mode.rawValue
        healthPolicy = balancing.healthPolicy.rawValue
    }

    func model() throws(ConversionFailure) -> LoadBalancing {
        LoadBalancing(
            routingPreference: try Convert.map(routingPreference) { (scope) throws(ConversionFailure) in
                try Convert.choice(scope, "routing_preference")
            },
            mode: try Convert.choice(mode, "mode"), healthPolicy: try Convert.choice(healthPolicy, "health_policy"))
    }
}

extension WorkloadAPI.Locality {
    init(_ locality: Locality) {
        self.init()
        region = locality.region
        zone = locality.zone
        subzone = locality.subzone
    }

    func model() -> Locality { Locality(region: region, zone: zone, subzone: subzone) }
}

extension WorkloadAPI.ApplicationTunnel {
    init(_ tunnel: ApplicationTunnel) {
        self.init()
        header = tunnel.header.rawValue
        port = UInt32(tunnel.port)
    }

    func model() throws(ConversionFailure) -> ApplicationTunnel {
        ApplicationTunnel(header: try Convert.choice(header, "protocol"), port: try Convert.port(port, "port"))
    }
}
