// SPDX-License-Identifier: Apache-2.0

internal import Transport

/// Why a call of etcd brought nothing, and whether it may have happened all the same.
enum EtcdFailure: Error, Hashable, Sendable {
    /// It never left, or was refused unread: trying again does no harm.
    case unreached(String)
    /// It left, and no answer came: it may have happened.
    case lost(String)
    /// etcd's own refusal.
    case refused(GRPCStatus, by: String)
    /// Whoever answered isn't the cluster that we know, or no etcd.
    case foreign(String)
    /// The answer is larger than we take.
    case tooLarge(String)

    /// How a call ended that `member` answered.
    init(_ status: GRPCStatus, by member: String) {
        switch status.code {
        case .deadlineExceeded where !status.message.contains(Self.mark), .cancelled where !status.message.contains(Self.mark):
            self = .lost("etcd at \(member): \(status.message)")
        case .unavailable where status.message.contains("no leader"): self = .unreached(Self.noLeader(member))
        // Its own words begin so; others are of the connection.
        case .unavailable where !status.message.contains(Self.mark): self = .lost("etcd at \(member): \(status.message)")
        case .unimplemented: self = .foreign("\(member) isn't etcd v3: \(status.message)")
        case _ where status.message.contains("HTTP status"): self = .foreign("\(member) isn't etcd v3: \(status.message)")
        case .resourceExhausted where status.message.contains("are taken"):
            self = .tooLarge("etcd at \(member): \(status.message)")
        default: self = .refused(status, by: member)
        }
    }

    private static let mark = "etcdserver:"

    private static func noLeader(_ member: String) -> String {
        "etcd at \(member) has no leader: fewer than half of its members reach each other"
    }

    /// Whether asking again may help somebody who only wanted to read.
    var isTransient: Bool {
        switch self {
        case .unreached, .lost: true
        case .refused(let status, _): status.code == .unavailable
        case .foreign, .tooLarge: false
        }
    }

    /// What was asked for is older than what etcd remembers.
    var isCompacted: Bool {
        guard case .refused(let status, _) = self else { return false }
        return status.code == .outOfRange && status.message.contains("has been compacted")
    }

    /// Whether these words of etcd's say that it doesn't know our token (any more), or wants one: who logs in again may be let in.
    static func isLoginOver(_ said: String) -> Bool {
        ["invalid auth token", "revision of auth store is old", "user name is empty"].contains { said.contains($0) }
    }

    /// What to do about a right that is missing, with the names that only the settings know.
    func explained(_ settings: EtcdSettings) -> EtcdFailure {
        guard case .refused(let status, let member) = self, Self.isForbidden(status) else { return self }
        let user = settings.login.map { "user \"\($0.user)\"" } ?? "the user that our certificate's common name says"
        return .foreign(
            "etcd at \(member) lets \(user) not do this (\(status.message)): give a role of it the right to read and write all below "
                + "\(settings.prefix)/, by `etcdctl role grant-permission ROLE readwrite --prefix \(settings.prefix)/`")
    }

    private static func isForbidden(_ status: GRPCStatus) -> Bool {
        status.code == .permissionDenied || status.message.contains("permission denied")
    }

    /// As the store's callers have it, with what to do.
    var storeFailure: StoreFailure {
        switch self {
        case .unreached(let text), .lost(let text), .tooLarge(let text): .unavailable(text)
        case .foreign(let text): .unusable(text)
        case .refused(let status, let member): Self.words(status, member)
        }
    }

    private static func words(_ status: GRPCStatus, _ member: String) -> StoreFailure {
        let said = status.message
        if said.contains("space exceeded") {
            return .unavailable(
                "etcd at \(member) is full (alarm NOSPACE) and takes no change: compact and defragment it, then `etcdctl alarm disarm`"
            )
        }
        if said.contains("too large") || said.contains("larger than max") {
            return .unavailable("etcd at \(member) doesn't take so much at once: raise its --max-request-bytes (\(said))")
        }
        if said.contains("authentication failed") {
            return .unusable(
                "etcd at \(member) doesn't take the user or its password (\(said)): correct store.user, or what store.passwordFile names"
            )
        }
        if isLoginOver(said) || status.code == .unauthenticated {
            return .unusable(
                "etcd at \(member) wants to know who we are (\(said)): give store.user and store.passwordFile, "
                    + "or a certificate whose common name is a user's"
            )
        }
        if isForbidden(status) {
            return .unusable("etcd at \(member) refuses us (\(said)): give our user the right to read and write our prefix")
        }
        return .unavailable("etcd at \(member): \(said.isEmpty ? "\(status.code)" : said)")
    }
}
