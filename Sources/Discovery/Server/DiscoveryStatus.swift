// SPDX-License-Identifier: Apache-2.0

package import Kernel

/// How one node stands with what it is told: what `warren nodes` and the `Node` resource's status say.
package struct DiscoveryNodeStatus: Sendable {
    package let node: String
    /// What the client calls itself.
    package let client: String
    package let version: String
    package let address: String
    package let connectedSince: WallTime
    /// Calls that the node has open; the newest is the one described.
    package let calls: Int
    /// It has acknowledged everything that stands.
    package let isSynchronised: Bool
    /// It has acknowledged, or refused, everything up to this revision.
    package let acknowledgedRevision: UInt64
    /// Since when there is something that it hasn't acknowledged; nil if it has all.
    package let behindSince: Instant?
    /// What it refused and still holds an older version of, or none.
    package let refusals: [ResourceRefusal]
}

/// How far a resource, or a revision, has come.
package struct Acknowledgement: Hashable, Sendable {
    /// Nodes that hold it.
    package var acknowledged = 0
    /// Nodes that are connected and are told of it.
    package var concerned = 0
    /// Nodes that refused it, with their words.
    package var refused: [String: String] = [:]
    /// How many refuse it besides, whose words aren't told.
    package var moreRefused = 0

    package init(acknowledged: Int = 0, concerned: Int = 0, refused: [String: String] = [:], moreRefused: Int = 0) {
        self.acknowledged = acknowledged
        self.concerned = concerned
        self.refused = refused
        self.moreRefused = moreRefused
    }

    /// Every node concerned holds it.
    package var isComplete: Bool { acknowledged == concerned && refused.isEmpty }
}

/// What discovery counts. By `ResourceType.rank` where there are several.
package struct DiscoveryMetrics: Sendable {
    private static let none = [UInt64](repeating: 0, count: ResourceType.allCases.count)
    package fileprivate(set) var pushes = Self.none
    package fileprivate(set) var resources = Self.none
    package fileprivate(set) var removals = Self.none
    package fileprivate(set) var bytes = Self.none
    package internal(set) var acknowledged = Self.none
    package internal(set) var refused = Self.none
    package internal(set) var staleAnswers: UInt64 = 0
    /// Requests for types that aren't known here.
    package internal(set) var unknownTypes: UInt64 = 0
    /// Calls that were ended because too much was removed meanwhile.
    package internal(set) var overtaken: UInt64 = 0
    package internal(set) var calls: UInt64 = 0
    /// Batches of changes, and the rounds in which they were told.
    package internal(set) var batches: UInt64 = 0
    package internal(set) var rounds: UInt64 = 0
    /// From a change's arrival here to its last acknowledgement.
    package internal(set) var acknowledgementTime = TimeHistogram()

    mutating func pushed(_ type: ResourceType, _ message: PushMessage) {
        pushes[type.rank] &+= 1
        resources[type.rank] &+= UInt64(message.resources)
        removals[type.rank] &+= UInt64(message.removals)
        bytes[type.rank] &+= UInt64(message.bytes.count)
    }
}

/// Times in buckets, as Prometheus has them.
package struct TimeHistogram: Sendable {
    /// Upper bounds in milliseconds.
    package static let bounds: [UInt64] = [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 30_720]

    /// The last is what is above all bounds. Not cumulative.
    package private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    package private(set) var sum = Interval.zero

    package var count: UInt64 { counts.reduce(0, +) }

    package mutating func observe(_ time: Interval) {
        let place = Self.bounds.firstIndex { time.nanoseconds <= $0 * 1_000_000 } ?? Self.bounds.count
        counts[place] &+= 1
        sum = Interval(nanoseconds: sum.nanoseconds &+ time.nanoseconds)
    }
}

/// Who wants to hear what happens at the discovery server. On its loop.
package protocol DiscoveryObserver: AnyObject {
    /// The node's first call began, or its last one ended.
    func connected(node: String)
    func disconnected(node: String)
    /// A node refused a push.
    func refused(node: String, type: ResourceType, error: String)
    /// A node asked for a type that isn't known here, for the first time in its call. The text is the node's, of up to a kilobyte.
    func asked(node: String, unknownType: String)
    /// Every node that is connected has acknowledged everything up to this revision.
    func acknowledged(revision: UInt64)
}
