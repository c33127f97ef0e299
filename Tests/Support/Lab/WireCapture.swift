// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What passes between the hosts of a lab, written down by tcpdump until `finish`.
package final class WireCapture {
    private let process: LabProcess
    private let place: LabOutside
    private let file: String

    init(_ place: LabOutside, number: Int) throws {
        self.place = place
        file = "/run/wire\(number).pcap"
        process = try place.start([
            "tcpdump", "-i", "wire", "-s", "0", "-U", "-Z", "root", "--immediate-mode", "-B", "65536", "-w", file,
        ])
        try process.waitFor("listening on")
    }

    /// Ends the capture; every TCP packet of it.
    package func finish() throws -> [WirePacket] {
        // The last packets are on their way to tcpdump.
        usleep(100_000)
        process.stop(SIGTERM)
        defer { place.remove(file) }
        return WirePacket.all(in: try Files.read(place.path(file), limit: 1 << 30))
    }
}

extension Lab {
    /// Begins to write down what passes between hosts.
    package func capture() throws -> WireCapture {
        captures += 1
        return try WireCapture(outside, number: captures)
    }
}

/// A TCP segment seen on the wire.
package struct WirePacket: Sendable {
    package let source: String
    package let sourcePort: Int
    package let destination: String
    package let destinationPort: Int
    package let flags: UInt8
    package let payload: [UInt8]

    package var isSYN: Bool { flags & 0x12 == 0x02 }
    package var isReset: Bool { flags & 0x04 != 0 }

    /// Whether the payload has these bytes.
    package func holds(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        guard payload.count >= wanted.count else { return false }
        return payload.indices.dropLast(wanted.count - 1).contains { at in
            payload[at] == wanted[0] && payload[at..<at + wanted.count].elementsEqual(wanted)
        }
    }

    /// Reads a pcap file of Ethernet frames, little-endian as written on this machine.
    static func all(in file: [UInt8]) -> [WirePacket] {
        var packets: [WirePacket] = []
        var at = 24
        while at + 16 <= file.count {
            let length = (0..<4).reduce(0) { $0 | Int(file[at + 8 + $1]) << (8 * $1) }
            let frame = file[(at + 16)..<min(at + 16 + length, file.count)]
            if let packet = WirePacket(Array(frame)) { packets.append(packet) }
            at += 16 + length
        }
        return packets
    }

    private init?(_ frame: [UInt8]) {
        guard frame.count >= 14 else { return nil }
        let packet = Array(frame[14...])
        switch (frame[12], frame[13]) {
        case (0x08, 0x00):
            guard packet.count >= 20, packet[9] == 6 else { return nil }
            let total = Int(packet[2]) << 8 | Int(packet[3])
            let source = packet[12..<16].map { "\($0)" }.joined(separator: ".")
            let destination = packet[16..<20].map { "\($0)" }.joined(separator: ".")
            self.init(segment: packet, from: Int(packet[0] & 0xf) * 4, to: total, source: source, destination: destination)
        case (0x86, 0xdd):
            guard packet.count >= 40, packet[6] == 6 else { return nil }
            let total = 40 + (Int(packet[4]) << 8 | Int(packet[5]))
            let source = Self.text(packet[8..<24])
            let destination = Self.text(packet[24..<40])
            self.init(segment: packet, from: 40, to: total, source: source, destination: destination)
        default: return nil
        }
    }

    private init?(segment packet: [UInt8], from start: Int, to total: Int, source: String, destination: String) {
        // A length of 0 stands for a segment that the kernel hasn't split yet.
        let end = total <= start ? packet.count : min(total, packet.count)
        guard end >= start + 20 else { return nil }
        self.source = source
        self.destination = destination
        sourcePort = Int(packet[start]) << 8 | Int(packet[start + 1])
        destinationPort = Int(packet[start + 2]) << 8 | Int(packet[start + 3])
        flags = packet[start + 13]
        let data = start + Int(packet[start + 12] >> 4) * 4
        payload = data <= end ? Array(packet[data..<end]) : []
    }

    /// RFC 5952, for the addresses of a lab: the longest run of zeros is left out.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        var buffer = [CChar](repeating: 0, count: 64)
        let address = Array(bytes)
        guard unsafe inet_ntop(AF_INET6, address, &buffer, 64) != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
