// SPDX-License-Identifier: Apache-2.0

internal import Bytes
package import Mesh
internal import Wire

/// Workloads are nearly all that discovery brings, fifty thousand at once: the usual ones are read here without the message in between. What is
/// unusual in any way (a gateway, a field twice, a value that means nothing) isn't: the general way then says what it is.
extension Workload {
    /// From the bytes of an `istio.workload.Address`; nil if that is to be read the general way.
    package init?(quickly address: ArraySlice<UInt8>, _ pool: inout WorkloadPool) {
        let bytes = address.span
        var reader = ProtobufCursor(0, bytes.count)
        guard reader.key(bytes) == 0x0a, let body = reader.length(bytes), body.end == bytes.count,
            let fields = WorkloadFields(quickly: bytes, body, of: address, &pool)
        else { return nil }
        self.init(fields)
    }
}

/// What workloads have in common, by the bytes that say it: fifty thousand workloads of two thousand applications are read once for each application.
/// A value, of one thread; it lives as long as what is received.
package struct WorkloadPool: Sendable {
    private var index = SlotIndex()
    private var known: ContiguousArray<(bytes: [UInt8], common: Shared<WorkloadCommon>)> = []
    /// What of a workload others may say alike, as it came.
    fileprivate var scratch: [UInt8] = []
    private static let limit = 65_536

    package init() {}

    /// What the scratch says; nil if it is to be read the general way.
    fileprivate mutating func common() -> Shared<WorkloadCommon>? {
        let hash = NameHash(scratch.span).value
        if let slot = index.find(hash, where: { known[Int($0)].bytes == scratch }) { return known[Int(slot)].common }
        guard let read = WorkloadCommon(quickly: scratch.span) else { return nil }
        // What shares with those that go still does.
        if known.count >= Self.limit { self = WorkloadPool(scratch) }
        let common = Shared(read)
        index.insert(Int32(known.count), hash)
        known.append((scratch, common))
        return common
    }

    private init(_ scratch: [UInt8]) { self.scratch = scratch }
}

extension WorkloadFields {
    /// - Parameter source: what the bytes are of.
    fileprivate init?(
        quickly bytes: Span<UInt8>, _ body: ProtobufCursor, of source: ArraySlice<UInt8>, _ pool: inout WorkloadPool
    ) {
        self.init()
        pool.scratch.removeAll(keepingCapacity: true)
        var reader = body
        // Fields in common that follow one another are taken as one.
        var alike = body.position
        while !reader.isAtEnd {
            let start = reader.position
            guard let key = reader.key(bytes) else { return nil }
            let isOwn: Bool?
            if key & 7 == 0 {
                guard let value = reader.varint(bytes) else { return nil }
                isOwn = set(UInt32(truncatingIfNeeded: key >> 3), value)
            } else {
                guard key & 7 == 2, let part = reader.length(bytes) else { return nil }
                isOwn = set(UInt32(truncatingIfNeeded: key >> 3), bytes, part)
            }
            guard let isOwn else { continue }
            guard isOwn else { return nil }
            if alike < start { pool.scratch += source[(source.startIndex + alike)..<(source.startIndex + start)] }
            alike = reader.position
        }
        if alike < body.end { pool.scratch += source[(source.startIndex + alike)..<(source.startIndex + body.end)] }
        guard !uid.isEmpty, let common = pool.common() else { return nil }
        self.common = common
    }

    /// Nil: it isn't one of its own. False: it is to be read the general way.
    private mutating func set(_ number: UInt32, _ bytes: Span<UInt8>, _ part: ProtobufCursor) -> Bool? {
        switch number {
        case 3:
            guard let address = part.address(bytes) else { return false }
            addresses.append(address)
        case 27:
            guard capacity == nil, let read = part.wrapped(bytes) else { return false }
            capacity = read
        case 1, 9, 13, 20:
            guard let text = part.text(bytes) else { return false }
            switch number {
            case 1: name = text
            case 9: node = text
            case 13: workloadName = text == name ? name : text
            default: uid = text
            }
        default: return nil
        }
        return true
    }

    private mutating func set(_ number: UInt32, _ value: UInt64) -> Bool? {
        let choice = Int32(truncatingIfNeeded: value)
        switch number {
        case 5:
            guard let known = Workload.TunnelProtocol(rawValue: choice) else { return false }
            tunnelProtocol = known
        case 14: nativeTunnel = value != 0
        case 17:
            guard let known = Workload.Status(rawValue: choice) else { return false }
            status = known
        case 25:
            guard let known = Workload.NetworkMode(rawValue: choice) else { return false }
            networkMode = known
        default: return nil
        }
        return true
    }
}

extension WorkloadCommon {
    /// From those fields of an `istio.workload.Workload` that aren't a workload's own.
    fileprivate init?(quickly bytes: Span<UInt8>) {
        self.init()
        var reader = ProtobufCursor(0, bytes.count)
        while !reader.isAtEnd {
            guard let key = reader.key(bytes) else { return nil }
            if key & 7 == 0 {
                guard key >> 3 == 12, let value = reader.varint(bytes) else { return nil }
                kind = Workload.Kind(rawValue: Int32(truncatingIfNeeded: value)) ?? .pod
                continue
            }
            guard let part = reader.length(bytes), set(UInt32(truncatingIfNeeded: key >> 3), bytes, part) else { return nil }
        }
        if services.count > 1 {
            services.sort { $0.service < $1.service }
            for (one, next) in zip(services, services.dropFirst()) where one.service == next.service { return nil }
        }
    }

    private mutating func set(_ number: UInt32, _ bytes: Span<UInt8>, _ part: ProtobufCursor) -> Bool {
        switch number {
        case 22:
            guard let membership = ServiceMembership(quickly: bytes, part) else { return false }
            services.append(membership)
            return true
        case 24:
            guard locality == nil, let read = Locality(quickly: bytes, part) else { return false }
            locality = read
            return true
        default: break
        }
        guard let text = part.text(bytes) else { return false }
        switch number {
        case 2: namespace = text
        case 4: network = text
        case 6: trustDomain = text
        case 7: serviceAccount = text
        case 10: canonicalName = text
        case 11: canonicalRevision = text
        case 16: authorizationPolicies.append(text)
        case 18: clusterID = text
        default: return false
        }
        return true
    }
}

extension ServiceMembership {
    /// An entry of `map<string, PortList>`.
    fileprivate init?(quickly bytes: Span<UInt8>, _ entry: ProtobufCursor) {
        var reader = entry
        var (service, ports): (String?, [Port]?) = (nil, nil)
        while !reader.isAtEnd {
            guard let key = reader.key(bytes), let part = reader.length(bytes) else { return nil }
            switch key {
            case 0x0a where service == nil: service = part.text(bytes)
            case 0x12 where ports == nil: ports = Self.ports(bytes, part)
            default: return nil
            }
        }
        guard let service, let ports else { return nil }
        self.init(service: service, ports: ports)
    }

    private static func ports(_ bytes: Span<UInt8>, _ list: ProtobufCursor) -> [Port]? {
        var reader = list
        var ports: [Port] = []
        while !reader.isAtEnd {
            guard reader.key(bytes) == 0x0a, var part = reader.length(bytes) else { return nil }
            var (service, target, protocolNumber): (UInt16, UInt16, Int32) = (0, 0, 0)
            while !part.isAtEnd {
                guard let key = part.key(bytes), let value = part.varint(bytes) else { return nil }
                switch key {
                case 0x08:
                    guard let port = UInt16(exactly: value) else { return nil }
                    service = port
                case 0x10:
                    guard let port = UInt16(exactly: value) else { return nil }
                    target = port
                case 0x18: protocolNumber = Int32(truncatingIfNeeded: value)
                default: return nil
                }
            }
            ports.append(
                Port(
                    servicePort: service, targetPort: target,
                    appProtocol: Port.AppProtocol(rawValue: protocolNumber) ?? .unknown))
        }
        return ports
    }
}

extension Locality {
    fileprivate init?(quickly bytes: Span<UInt8>, _ message: ProtobufCursor) {
        var reader = message
        var (region, zone, subzone) = ("", "", "")
        while !reader.isAtEnd {
            guard let key = reader.key(bytes), let part = reader.length(bytes), let text = part.text(bytes) else { return nil }
            switch key {
            case 0x0a: region = text
            case 0x12: zone = text
            case 0x1a: subzone = text
            default: return nil
            }
        }
        self.init(region: region, zone: zone, subzone: subzone)
    }
}

extension ProtobufCursor {
    func text(_ bytes: Span<UInt8>) -> String? {
        guard let text = try? UTF8Span(validating: bytes.extracting(position..<end)) else { return nil }
        return String(copying: text)
    }

    func address(_ bytes: Span<UInt8>) -> IPAddress? {
        switch end - position {
        case 4: return IPAddress(v4: (position..<end).reduce(0) { $0 << 8 | UInt32(bytes[$1]) })
        case 16: return IPAddress(bytes: (position..<end).map { bytes[$0] })
        default: return nil
        }
    }

    /// `google.protobuf.UInt32Value`.
    func wrapped(_ bytes: Span<UInt8>) -> UInt32? {
        var reader = self
        var value: UInt32 = 0
        while !reader.isAtEnd {
            guard reader.key(bytes) == 0x08, let read = reader.varint(bytes) else { return nil }
            value = UInt32(truncatingIfNeeded: read)
        }
        return value
    }
}
