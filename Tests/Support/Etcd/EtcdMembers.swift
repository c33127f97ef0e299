// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Members of Debian's etcd on loopback ports, in a folder of their own, with TLS and client certificates under an authority made for them. They end
/// with this process, however that ends: each hangs on a pipe that it holds.
package final class EtcdMembers: Sendable {
    package let folder: String
    /// Of clients, one per member.
    package let ports: [UInt16]
    private let peerPorts: [UInt16]
    private let arguments: [String]
    private let entry: [String]
    private let members: Mutex<[RunningCommand?]>
    /// Removes the folder when we are gone.
    private let janitor: RunningCommand

    /// PEM files for clients.
    package var authority: String { "\(folder)/ca.pem" }
    package var certificate: String { "\(folder)/member.pem" }
    package var key: String { "\(folder)/member.key" }

    /// Starts them and waits until they serve, for 30 s at most.
    /// - Parameters:
    ///   - arguments: more of them, for every member.
    ///   - entry: the command that runs its further arguments in the network namespace whose loopback they are on, in its own place.
    package init(_ count: Int = 3, arguments: [String] = [], entry: [String] = []) throws {
        guard Files.exists("/usr/bin/etcd") else {
            throw LabFailure(description: "/usr/bin/etcd isn't there: deploy/install-dependencies.sh installs it")
        }
        let listeners = try Listeners(2 * count)
        let all = listeners.ports
        folder = try Files.makeTemporaryFolder()
        janitor = try RunningCommand(["sh", "-c", "read x; rm -rf \"$1\"", "sh", folder], holdsInput: true)
        (ports, peerPorts) = (Array(all.prefix(count)), Array(all.dropFirst(count)))
        self.arguments = arguments
        self.entry = entry
        members = Mutex(Array(repeating: nil, count: count))
        try Self.makeCertificates(folder)
        listeners.close()
        for index in 0..<count { try start(index) }
        for index in 0..<count { try waitUntilHealthy(index) }
    }

    deinit {
        for index in ports.indices { stop(index) }
        Files.remove(folder)
        janitor.endInput()
    }

    package var count: Int { ports.count }

    package func start(_ index: Int) throws {
        let (client, peer) = ("https://127.0.0.1:\(ports[index])", "http://127.0.0.1:\(peerPorts[index])")
        let others = peerPorts.indices.map { "m\($0)=http://127.0.0.1:\(peerPorts[$0])" }
        let command =
            entry + [
                "/usr/bin/etcd", "--name", "m\(index)", "--data-dir", "\(folder)/m\(index)", "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", others.joined(separator: ","), "--initial-cluster-token", folder, "--client-cert-auth",
                "--trusted-ca-file", authority, "--cert-file", certificate, "--key-file", key, "--logger", "zap", "--log-level",
                "warn", "--heartbeat-interval", "50", "--election-timeout", "500",
            ] + arguments
        // Not waited for before the pipe ends, so that its number stays its own.
        let script = "\"$@\" & pid=$!; read x; kill -9 $pid; wait"
        let member = try RunningCommand(["sh", "-c", script, "sh"] + command, holdsInput: true)
        members.withLock { $0[index] = member }
    }

    /// The process of a member; nil if it doesn't run.
    package func process(_ index: Int) -> CInt? { members.withLock { $0[index]?.children.first } }

    /// As a signal says: SIGKILL ends it, SIGSTOP has it hang.
    package func signal(_ index: Int, _ number: CInt) { if let pid = process(index) { kill(pid, number) } }

    /// Kills a member and waits until it is gone; its data stays.
    package func stop(_ index: Int) {
        guard let member = members.withLock({ $0[index].take() }) else { return }
        member.endInput()
        _ = member.wait(seconds: 10)
    }

    /// Waits until a member serves, which it does when it has a leader.
    package func waitUntilHealthy(_ index: Int, seconds: Double = 30) throws {
        let command =
            entry + [
                "curl", "-sS", "--max-time", "2", "--cacert", authority, "--cert", certificate, "--key", key,
                "https://127.0.0.1:\(ports[index])/health",
            ]
        try waitUntil(
            "etcd member \(index) serves", seconds: seconds,
            detail: { members.withLock { $0[index]?.err.suffix(2000).description ?? "" } }
        ) {
            try RunningCommand.run(command).out.contains("\"true\"")
        }
    }

    /// Runs etcdctl; its output.
    @discardableResult
    package func control(_ arguments: String...) throws -> String {
        let outcome = try RunningCommand.run(
            entry + [
                "/usr/bin/etcdctl", "--endpoints", ports.map { "https://127.0.0.1:\($0)" }.joined(separator: ","), "--cacert",
                authority, "--cert", certificate, "--key", key,
            ] + arguments, environment: ["ETCDCTL_API": "3"])
        guard outcome.succeeded else { throw LabFailure(description: "etcdctl \(arguments): \(outcome)") }
        return outcome.out
    }

    /// An authority, and one certificate for members and clients: `root` is who it is for etcd's own users.
    private static func makeCertificates(_ folder: String) throws {
        let script = """
            cd "$1"
            umask 077
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 -subj /CN=etcd-test-ca \
              -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=root -keyout member.key -out member.csr
            printf '%s\\n' 'basicConstraints=CA:FALSE' 'keyUsage=critical,digitalSignature' \
              'extendedKeyUsage=serverAuth,clientAuth' 'subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost' >member.ext
            openssl x509 -req -in member.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7 -extfile member.ext -out member.pem
            """
        let outcome = try RunningCommand.run(["sh", "-euc", script, "sh", folder])
        guard outcome.succeeded else { throw LabFailure(description: "no certificates for etcd: \(outcome)") }
    }
}

/// Ports that are free: held until they are taken.
private final class Listeners {
    private var sockets: [CInt] = []
    private(set) var ports: [UInt16] = []

    init(_ count: Int) throws {
        for _ in 0..<count {
            let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            guard number >= 0 else { throw Files.Failure(path: "a socket", code: errno) }
            sockets.append(number)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                    unsafe bind(number, raw, length) == 0 && getsockname(number, raw, &length) == 0
                }
            }
            guard isBound else { throw Files.Failure(path: "a port", code: errno) }
            ports.append(UInt16(bigEndian: address.sin_port))
        }
    }

    func close() {
        for number in sockets { Glibc.close(number) }
        sockets = []
    }

    deinit { close() }
}
