// SPDX-License-Identifier: Apache-2.0

internal import Documents

extension ControlFailure {
    /// From an answer that is none of success: a Kubernetes `Status`, or whatever else something at that address says.
    init(_ answer: ControlAnswer, to request: ControlRequest) {
        let document = (try? JSON.read(answer.body)) ?? .null
        let asked = "\(request.method.rawValue) \(request.target)"
        guard document["kind"]?.stringValue == "Status" else {
            let said = document["error"]?.stringValue ?? document["message"]?.stringValue
            self.init(
                said ?? "the control plane answered \(answer.status) to \(asked)",
                remedy: document["remedy"]?.stringValue ?? Self.remedy(answer.status, ""))
            status = answer.status
            return
        }
        let reason = document["reason"]?.stringValue ?? ""
        self.init(
            document["message"]?.stringValue ?? "the control plane answered \(answer.status) to \(asked)",
            remedy: Self.remedy(answer.status, reason))
        self.status = answer.status
        self.reason = reason
        causes = (document["details"]?["causes"]?.sequenceValue ?? []).prefix(100).map { cause in
            Cause(field: cause["field"]?.stringValue ?? "", message: cause["message"]?.stringValue ?? "")
        }
    }

    /// What to do about a status where the message itself can't know it.
    private static func remedy(_ status: Int, _ reason: String) -> String {
        switch (status, reason) {
        case (401, _):
            "The token or certificate is missing, expired or revoked: get a new one (`warren token create` by an admin), and give it"
                + " with `warren context set` or --token-file."
        case (403, _): "Use a context whose role may do it: `warren context list` shows them."
        case (409, "AlreadyExists"): "Change what is there with `warren apply` or `warren edit`."
        case (409, _): ""
        case (410, _): "Ask again: what was asked for is too long ago."
        case (413, _): "Apply fewer or smaller objects at once."
        case (429, _), (503, _): "Try again in a moment."
        case (500, _): "Look at its log: journalctl -u warren-control."
        default: ""
        }
    }
}

extension Session {
    /// Says that the control plane refused or didn't answer: what is wrong, which field, what to do.
    func failed(_ failure: ControlFailure, about subject: String = "") -> ExitCode {
        let causes = failure.causes.filter { !$0.message.isEmpty }
        // Kubernetes' message repeats its causes in one line: they are told one by one instead.
        let invalid = failure.reason == "Invalid" && !causes.isEmpty ? failure.message.firstRange(of: " is invalid") : nil
        let message = invalid.map { String(failure.message[..<$0.upperBound]) } ?? failure.message
        console.complain("warren: \(printable(subject.isEmpty ? message : "\(subject): \(message)"))\n")
        for cause in causes
        where invalid != nil || !failure.message.contains(cause.message) || !failure.message.contains(cause.field) {
            console.complain("  \(cause.field.isEmpty ? "" : "\(printable(cause.field)): ")\(printable(cause.message))\n")
        }
        if !failure.remedy.isEmpty { console.complain("  → \(printable(failure.remedy))\n") }
        return failure.isUnreachable ? .unreachable : .failed
    }
}
