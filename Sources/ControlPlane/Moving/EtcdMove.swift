// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Store

/// Puts a whole store into etcd, step by step, and says how far it is. Blocking.
struct EtcdMove {
    /// Lines of progress are so far apart at least.
    private static let pause = Interval.seconds(1)

    private let work: EtcdImport
    private let count: Int
    /// Told lines for people.
    private let tell: (String) -> Void

    init(_ contents: StoreContents, to settings: EtcdSettings, tell: @escaping (String) -> Void) throws(StoreFailure) {
        work = try EtcdImport(contents, to: settings)
        count = contents.objects.count
        self.tell = tell
    }

    /// Marks, copies and verifies: then all of it is there, and nothing is served.
    func prepare(replacing: Bool) throws(StoreFailure) -> EtcdImport.State {
        let state = try work.begin(replacing: replacing)
        guard case .begun = state else { return state }
        var last = Instant.now()
        tell("copying \(count) objects")
        try work.copy { done in
            guard Instant.now().since(last) >= Self.pause else { return }
            last = .now()
            tell("\(done) of \(count) objects are there")
        }
        tell("reading them back")
        try work.verify()
        return state
    }

    /// From here on it is served. - Returns: the store's first revision there.
    func finish() throws(StoreFailure) -> UInt64 { try work.finish() }

    /// Takes back what isn't finished. False: it is.
    func abandon() throws(StoreFailure) -> Bool { try work.abandon() }
}
