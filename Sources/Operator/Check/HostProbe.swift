// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Kernel

/// What `check` asks the host for, besides files. Tests answer for it.
struct HostProbe {
    /// Why nftables can't be used here; nil if it can.
    var nftables: () -> Errno? = Self.askNFTables
    /// Why nothing may listen on the port; nil if it is free.
    var listen: (UInt16) -> Errno? = Self.tryListening
    /// A small text file of /proc; nil if there is none.
    var text: (String) -> String? = Self.readText
    /// What a network namespace holds, and which of the addresses it has no route to.
    var namespace: (String, [IPAddress]) -> Result<NamespaceFacts, Errno> = NamespaceFacts.look
    var userID: () -> UInt32 = { Limits.userID }

    private static func askNFTables() -> Errno? {
        do throws(Errno) {
            var netlink = try Netlink(.filter)
            _ = try netlink.rulesGeneration()
            return nil
        } catch {
            return error
        }
    }

    private static func tryListening(_ port: UInt16) -> Errno? {
        do throws(Errno) {
            _ = try Socket.listenEverywhere(port: port, backlog: 1)
            return nil
        } catch {
            return error
        }
    }

    private static func readText(_ path: String) -> String? {
        (try? File.read(path, limit: 64 * 1024)).map { String(decoding: $0, as: UTF8.self) }
    }
}

/// What was found in a workload's network namespace.
struct NamespaceFacts {
    var addresses: [IPAddress] = []
    /// Of the addresses asked for, those without a route.
    var unreachable: [IPAddress] = []
    /// Network devices but loopback.
    var devices: [String] = []

    /// Enters the namespace of a name; needs root.
    static func look(_ name: String, for addresses: [IPAddress]) -> Result<NamespaceFacts, Errno> {
        do throws(Errno) {
            let home = try NetworkNamespace.current()
            let namespace = try NetworkNamespace(path: "/run/netns/\(name)")
            guard namespace.identity != home.identity else { return .failure(.exists) }
            // A thread of this program has nothing else to do, but it must come back to print.
            return .success(try namespace.enter(from: home) { () throws(Errno) in try read(addresses) })
        } catch {
            return .failure(error)
        }
    }

    private static func read(_ wanted: [IPAddress]) throws(Errno) -> NamespaceFacts {
        var netlink = try Netlink(.route)
        var facts = NamespaceFacts(addresses: try netlink.addresses())
        for address in wanted where try !netlink.hasRoute(to: address, mark: 0) { facts.unreachable.append(address) }
        let text =
            (try? File.read("/proc/thread-self/net/dev", limit: 64 * 1024)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        facts.devices = text.split(separator: "\n").dropFirst(2)
            .compactMap { $0.split(separator: ":").first.map { String($0.drop { $0 == " " }) } }.filter { $0 != "lo" }
        return facts
    }
}
