// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Documents
package import Kernel

/// Where the control plane is, and how this host deals with it. The reason of each default stands in the table below.
package struct ControlSettings: Sendable {
    package var addresses: [ControlAddress] = []
    package var directory = "/var/lib/warren/node"
    package var settle = Interval.milliseconds(10)
    package var connect = Interval.seconds(5)
    package var silence = Interval.seconds(10)
    package var retry = Interval.seconds(15)
    package var firstCertificate = Interval.seconds(10)
    package var report = Interval.seconds(10)
    package var istiod = IstiodSettings()

    /// The mesh comes from a control plane, and certificates too.
    package var isUsed: Bool { !addresses.isEmpty }

    static let maximumAddresses = 16

    static let settings: [Setting] =
        [
            Setting(
                path: "control.addresses", form: "list of HOST:PORT, at most \(maximumAddresses)",
                meaning:
                    "The control plane: mesh and certificates come from one of these, tried in turn. Empty: the mesh comes from `mesh.path`, and"
                    + " certificates from the CA on this host. `warren-control`, or istiod where `control.istiod.token` is set.",
                reason: "A host alone needs no control plane; `warren join` writes them.", read: readAddresses,
                value: { .array($0.control.addresses.map { .string($0.description) }) }),
            .path(
                "control.directory", \.control.directory,
                "This host's key, its certificate, the roots and the last good mesh, readable by root alone.",
                because: "`warren join` writes there, where the file hierarchy standard puts a service's state."),
            .duration(
                "control.settle", \.control.settle, .zero ... .seconds(10),
                "How long changes are gathered before they take effect together.",
                because: "What is told in one go arrives within milliseconds; a change must take effect within 40 ms."),
            .duration(
                "control.connect", \.control.connect, .milliseconds(100) ... .minutes(1),
                "How long connecting to one address, and its TLS handshake, may take before the next is tried.",
                because: "ztunnel's; with the addresses of a lost rack first in the list the others are still tried soon."),
            .duration(
                "control.silence", \.control.silence, .seconds(1) ... .minutes(10),
                "After so long without a byte the control plane is asked for a sign of life; after as long again it counts as lost.",
                because: "A connection that a firewall forgot is noticed within 20 s; a ping costs 17 bytes."),
            .duration(
                "control.retry", \.control.retry, .milliseconds(100) ... .minutes(10),
                "The longest pause between two rounds of attempts; it begins at 100 ms, doubles, and half of it is chance.",
                because: "ztunnel's bound; chance spreads the hosts of a mesh when the control plane comes back."),
            .duration(
                "control.firstCertificate", \.control.firstCertificate, .milliseconds(100) ... .minutes(10),
                "How long a workload without a certificate waits for its first one; then it is refused with this as the reason, and tried again.",
                because:
                    "A reachable control plane answers within milliseconds; longer than one change-over between two replicas."),
            .duration(
                "control.report", \.control.report, .milliseconds(100) ... .hours(1),
                "How often the control plane is told how the workloads of this host are; at a change it is told at once.",
                because: "The grace that the control plane gives is 10 minutes; a report has some hundred bytes per workload."),
        ] + IstiodSettings.settings

    @Sendable private static func readAddresses(_ key: String, _ fields: Fields, _ configuration: inout DaemonConfiguration) {
        let texts = fields.strings(key)
        guard texts.count <= maximumAddresses else {
            return fields.report(
                key, "\(fields.path(of: key)) has \(texts.count) addresses", remedy: "Keep at most \(maximumAddresses).")
        }
        for (index, text) in texts.enumerated() {
            guard let address = ControlAddress(text) else {
                fields.report(
                    "\(key)[\(index)]", "\"\(text)\" is no address of a control plane",
                    remedy: "Write HOST:PORT, like control-1.example.org:15012, 10.0.0.5:15012 or [2001:db8::5]:15012.")
                continue
            }
            configuration.control.addresses.append(address)
        }
    }
}

/// `HOST:PORT`; a host is a name, an IPv4 address, or an IPv6 address in brackets.
package struct ControlAddress: Hashable, Sendable, LosslessStringConvertible {
    /// Without brackets.
    package let host: String
    package let port: UInt16

    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port != 0 else {
            return nil
        }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
            guard let address = IPAddress(String(host)), address.family == .v6 else { return nil }
        } else {
            guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy(Self.isNameByte), host.utf8.first != 0x2d else {
                return nil
            }
        }
        self.host = String(host)
        self.port = port
    }

    package var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte)
            || byte == 0x2d || byte == 0x2e || byte == 0x5f
    }
}
