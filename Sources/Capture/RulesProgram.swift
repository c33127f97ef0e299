// SPDX-License-Identifier: Apache-2.0

internal import CNFTables
internal import Kernel

/// The child's side of `RulesChild`: reads all jobs, enters each one's namespace in turn, runs it, answers, ends. `main` calls it when
/// the first argument is `RulesChild.argument`, before anything else.
///
/// libnftables may end the process in the middle; what was answered before stands, and the parent reports the rest.
package func runRulesChild() -> Never {
    // With the parent gone nobody waits for an answer, but a transaction that has begun is the kernel's to finish.
    let input = Descriptor(takingOwnership: 0)
    let output = Descriptor(takingOwnership: 1)
    guard let bytes = readAll(input) else { exitProgram(2) }
    for (index, message) in RulesMessage.all(in: bytes).enumerated() {
        let namespace = RulesChild.firstDescriptor + CInt(index)
        let answer: RulesMessage
        if let job = message.job, NetworkNamespace.stay(in: namespace) {
            answer = run(job)
        } else {
            answer = RulesMessage(word: "failed", body: "the namespace can't be entered")
        }
        guard (try? output.writeAll(answer.bytes)) != nil else { exitProgram(2) }
    }
    exitProgram(0)
}

/// All jobs together are a few hundred rules and at most some tens of thousands of set elements.
private let maximumRequest = 64 << 20

private func readAll(_ input: borrowing Descriptor) -> [UInt8]? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while let transfer = try? input.read(into: &chunk) {
        guard case .moved(let count) = transfer else { return bytes }
        bytes += chunk.prefix(count)
        guard bytes.count <= maximumRequest else { return nil }
    }
    return nil
}

private func run(_ job: RulesChild.Job) -> RulesMessage {
    switch job {
    case .apply(let text): return transact(text)
    case .check(let text): return transact(text, isDryRun: true)
    case .list(let table):
        // Asked for a table that isn't there, nft complains; to us it is an empty one.
        let tables = transact("list tables")
        guard tables.word == "done" else { return tables }
        let exists = tables.text.split(separator: "\n").contains { $0 == "table \(table)" }
        return exists ? transact("list table \(table)") : RulesMessage(word: "done", body: "")
    case .listAll: return transact("list ruleset")
    }
}

/// Runs one transaction with a context of its own: its socket belongs to the namespace where it was made.
private func transact(_ text: String, isDryRun: Bool = false) -> RulesMessage {
    guard let context = unsafe nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
        return RulesMessage(word: "failed", body: "no memory")
    }
    defer { unsafe nft_ctx_free(context) }
    // Numbers instead of names, no counters, no set elements: what is listed twice reads the same.
    let flags = UInt32(NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL | NFT_CTX_OUTPUT_TERSE)
    unsafe nft_ctx_output_set_flags(context, flags)
    unsafe nft_ctx_set_dry_run(context, isDryRun)
    guard unsafe nft_ctx_buffer_output(context) == 0, unsafe nft_ctx_buffer_error(context) == 0 else {
        return RulesMessage(word: "failed", body: "no memory")
    }
    if unsafe nft_run_cmd_from_buffer(context, text) == 0 {
        return RulesMessage(word: "done", body: unsafe words(nft_ctx_get_output_buffer(context)))
    }
    return RulesMessage(word: "failed", body: firstComplaint(unsafe words(nft_ctx_get_error_buffer(context))))
}

private func words(_ text: UnsafePointer<CChar>?) -> String {
    guard let text = unsafe text else { return "" }
    return unsafe String(cString: text)
}

/// nft repeats the rule and points at the place below each complaint; the first line says it.
private func firstComplaint(_ text: String) -> String {
    let first = text.split(separator: "\n").first.map(String.init) ?? "no reason given"
    return String(first.prefix(400))
}
