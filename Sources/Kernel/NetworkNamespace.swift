// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// What a namespace is: its inode on the kernel's nsfs. A name is only where one finds it, and may come to mean another (I04).
package struct NamespaceIdentity: Hashable, Sendable {
    package let device: UInt64
    package let inode: UInt64

    package init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

extension NamespaceIdentity: CustomStringConvertible {
    /// As `ls -l /proc/self/ns/net` shows it.
    package var description: String { "net:[\(inode)]" }
}

/// A network namespace held open. Owned by one value; may be entered from any thread, one scope at a time per thread.
package struct NetworkNamespace: ~Copyable, Sendable {
    package let descriptor: Descriptor
    package let identity: NamespaceIdentity

    /// Opens the namespace at a path (`/run/netns/web`, `/proc/self/ns/net`). A symbolic link isn't followed below /run/netns; what isn't a
    /// namespace is `invalidArgument`.
    package init(path: String, followLink: Bool = false) throws(Errno) {
        // A pipe that lies where a namespace should must not make us wait for its other end.
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (followLink ? 0 : O_NOFOLLOW)
        try self.init(takingOwnership: Descriptor(takingOwnership: try call { unsafe open(path, flags) }))
    }

    package init(takingOwnership descriptor: consuming Descriptor) throws(Errno) {
        identity = try Self.identity(of: descriptor)
        self.descriptor = descriptor
    }

    /// The namespace in which this thread stands.
    package static func current() throws(Errno) -> NetworkNamespace {
        try NetworkNamespace(path: "/proc/thread-self/ns/net", followLink: true)
    }

    /// Runs the body with this thread inside the namespace: sockets made in it belong there for good. The way back can't be allowed to
    /// fail: a thread lost in a workload's namespace would make every later socket there.
    @inline(__always)
    package borrowing func enter<Result: ~Copyable, Failure: Error>(
        from home: borrowing NetworkNamespace, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let entered = clinux_enter_network_namespace(descriptor.number)
        invariant(entered == 0, "can't enter \(identity): \(Errno.current)")
        let back = home.descriptor.number
        defer { invariant(clinux_enter_network_namespace(back) == 0, "can't leave a workload's namespace: \(Errno.current)") }
        return try body()
    }

    /// Moves the calling thread into the namespace of a descriptor for good: for children that do nothing else. False if it is none.
    package static func stay(in number: CInt) -> Bool { clinux_enter_network_namespace(number) == 0 }

    private static func identity(of descriptor: borrowing Descriptor) throws(Errno) -> NamespaceIdentity {
        let number = descriptor.number
        var status = stat()
        _ = try call { unsafe fstat(number, &status) }
        // A plain file in /run/netns is no namespace.
        guard clinux_is_namespace(number) == 1 else { throw .invalidArgument }
        return NamespaceIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
}

/// Where a thread stands that makes sockets in many namespaces. It stays where it made the last one until it needs another place: entering and
/// leaving for each socket would be two system calls more. Made on the thread that it moves, which makes no socket without it.
package struct StandingPlace: ~Copyable {
    private let home: NetworkNamespace
    private var place: NamespaceIdentity

    package init() throws(Errno) {
        home = try .current()
        place = home.identity
    }

    /// Whatever socket the thread makes next belongs to this namespace.
    package mutating func stand(in namespace: borrowing NetworkNamespace) {
        guard namespace.identity != place else { return }
        let entered = clinux_enter_network_namespace(namespace.descriptor.number)
        invariant(entered == 0, "can't enter \(namespace.identity): \(Errno.current)")
        place = namespace.identity
    }

    /// Lets go of the namespace in which the thread stands.
    package mutating func goHome() {
        guard place != home.identity else { return }
        let left = clinux_enter_network_namespace(home.descriptor.number)
        invariant(left == 0, "can't leave \(place): \(Errno.current)")
        place = home.identity
    }
}
