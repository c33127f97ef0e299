// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Messages
package import Transport

/// What came of a response: what the client answers.
package struct PushOutcome: Sendable {
    package let typeURL: String
    package let nonce: String
    /// Why it, or a part of it, isn't taken; nil acknowledges it.
    package let rejection: String?
    /// The call can't go on: what the control plane says is nonsense, or it is another one than it was.
    package let isFatal: Bool

    package init(typeURL: String, nonce: String, rejection: String? = nil, isFatal: Bool = false) {
        self.typeURL = typeURL
        self.nonce = nonce
        self.rejection = rejection
        self.isFatal = isFatal
    }
}

/// Who keeps what a client receives. On the client's loop.
package protocol DeltaClientDelegate: AnyObject {
    /// A response came. It is dealt with wherever its keeper wants; `done` is called once, on the loop. The next response comes only then.
    func received(_ message: [UInt8], done: @escaping (PushOutcome) -> Void)
    /// Every type was answered: what is held is what the control plane holds.
    func synchronised()
    /// The call is over.
    func ended(_ status: GRPCStatus)
}

/// Who asks, as istiod and `warren-control` want to know it.
package struct DiscoveryNode: Sendable {
    package var id: String
    /// Entries of the node's metadata, as ztunnel sends them: NODE_NAME, NAME, NAMESPACE, …
    package var metadata: [(key: String, value: String)]

    package init(id: String, metadata: [(key: String, value: String)] = []) {
        self.id = id
        self.metadata = metadata
    }
}

/// The client's end of one call of delta discovery: asks for everything of each type, in the words of a real ztunnel, and answers each response.
/// Lives as long as its call, on one loop; what it holds outlives it elsewhere.
package final class DeltaClient: GRPCStreamDelegate {
    private let stream: any GRPCStream
    private weak var delegate: (any DeltaClientDelegate)?
    private let types: [ResourceType]
    private var unanswered: Set<ResourceType>
    private var isOver = false
    /// Why nothing more of this control plane is taken, once that was said.
    private var refusal: GRPCStatus?
    /// Responses that were dealt with.
    package private(set) var responses = 0

    /// Whether every type was answered in this call.
    package var isSynchronised: Bool { unanswered.isEmpty }

    /// How much of a rejection is told: enough for a person, and no more than a server likes in a log line.
    private static let rejectionLimit = 4096

    package init(
        stream: any GRPCStream, types: [ResourceType], delegate: any DeltaClientDelegate
    ) {
        self.stream = stream
        self.types = types
        self.delegate = delegate
        unanswered = Set(types)
        stream.delegate = self
    }

    /// The first messages of a call, one per type: no names at all, which asks for everything, and the versions of what is held.
    package static func firstRequests(_ types: [ResourceType], node: DiscoveryNode, held: HeldResources) -> [[UInt8]] {
        var asking = DiscoveryAPI.Node()
        asking.id = node.id
        asking.metadata = node.metadata.isEmpty ? nil : .object(node.metadata.map { ($0.key, .string($0.value)) })
        return types.map { type in
            var request = DiscoveryAPI.DeltaRequest()
            request.node = asking
            request.typeURL = type.rawValue
            request.initialResourceVersions = held.versions(of: type)
            return request.encoded
        }
    }

    /// Begins the call with its first messages.
    package func begin(_ requests: [[UInt8]]) {
        for request in requests { stream.send(request) }
        stream.take()
    }

    /// Ends the call. Nobody is told any more.
    package func cancel() {
        guard !isOver else { return }
        isOver = true
        delegate = nil
        stream.cancel()
    }

    /// Ends the call for the reason that was said, if the control plane doesn't end it by itself.
    package func leave() {
        guard let refusal, !isOver else { return }
        end(refusal)
        stream.cancel()
    }

    // MARK: - The stream

    package func messageReceived(_ message: [UInt8], on stream: any GRPCStream) {
        guard !isOver, refusal == nil, let delegate else { return }
        delegate.received(message) { [weak self] in self?.answer($0) }
    }

    private func answer(_ outcome: PushOutcome) {
        guard !isOver else { return }
        responses += 1
        var request = DiscoveryAPI.DeltaRequest()
        request.typeURL = outcome.typeURL
        request.responseNonce = outcome.nonce
        if let reason = outcome.rejection {
            var detail = DiscoveryAPI.Status()
            detail.code = Int32(GRPCStatus.Code.invalidArgument.rawValue)
            detail.message = String(decoding: reason.utf8.prefix(Self.rejectionLimit), as: UTF8.self)
            request.errorDetail = detail
        }
        stream.send(request.encoded)
        if outcome.isFatal {
            refusal = GRPCStatus(.failedPrecondition, outcome.rejection ?? "")
            // Said to the end, so that it is heard: a reset would overtake it. Nonsense isn't answered.
            if outcome.typeURL.isEmpty { leave() } else { stream.finish(.ok) }
            return
        }
        if let type = ResourceType(rawValue: outcome.typeURL), unanswered.remove(type) != nil, unanswered.isEmpty {
            delegate?.synchronised()
        }
        if !isOver { stream.take() }
    }

    package func messagesEnded(on stream: any GRPCStream) {}

    package func drained(_ stream: any GRPCStream) {}

    package func ended(_ status: GRPCStatus, on stream: any GRPCStream) { end(refusal ?? status) }

    private func end(_ status: GRPCStatus) {
        guard !isOver else { return }
        isOver = true
        delegate?.ended(status)
        delegate = nil
    }
}
