// SPDX-License-Identifier: Apache-2.0

import Documents
import Kernel
import Mesh
import Messages

/// Mesh files, all the way: texts to resources, resources to what hosts are told, that to the snapshot by which connections are judged.
///
/// The input is one file; a line `%%%` begins another.
enum MeshHarness {
    static func fuzz(_ bytes: [UInt8]) {
        let files = split(bytes).enumerated().map { (name: "f\($0).yaml", text: $1) }
        for purpose in [ResourcePurpose.apply, .translate] {
            let (resources, findings) = loadResources(files: files, purpose: purpose)
            for finding in findings { check(finding, files) }
            guard !findings.contains(where: { $0.severity == .error }) else { continue }
            let state = translate(resources)
            checkMessages(state)
            SnapshotProperties(MeshSnapshot(state: state, options: MeshOptions(), revision: 1)).check()
        }
    }

    private static func split(_ bytes: [UInt8]) -> [[UInt8]] {
        var files: [[UInt8]] = [[]]
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            if line.elementsEqual("%%%".utf8), files.count < 4 {
                files.append([])
            } else {
                files[files.count - 1] += line + [UInt8(ascii: "\n")]
            }
        }
        return files
    }

    /// A finding names a file of ours and a line in it. It quotes what it found: who shows it escapes it.
    private static func check(_ finding: Finding, _ files: [(name: String, text: [UInt8])]) {
        guard let file = files.first(where: { $0.name == finding.file }) else { bug("a finding in no file: \(finding)") }
        invariant((0...file.text.count + 1).contains(finding.line), "a finding outside of its file: \(finding)")
        invariant(!finding.message.isEmpty && !finding.code.isEmpty, "a finding that says nothing")
    }

    /// What hosts are told means the same to them.
    private static func checkMessages(_ state: MeshState) {
        for workload in state.workloads {
            let message = try? WorkloadAPI.Workload(decoding: WorkloadAPI.Workload(workload).encoded)
            guard let model = try? message?.model() else { bug("a workload that hosts refuse: \(workload)") }
            invariant(WorkloadAPI.Workload(model).encoded == message?.encoded, "a workload changes under way: \(workload)")
        }
        for service in state.services {
            let message = try? WorkloadAPI.Service(decoding: WorkloadAPI.Service(service).encoded)
            invariant((try? message?.model()) == service, "a service changes under way: \(service)")
        }
        for policy in state.authorizations {
            let message = try? SecurityAPI.Authorization(decoding: SecurityAPI.Authorization(policy).encoded)
            guard let model = try? message?.model() else { bug("a policy that hosts refuse: \(policy)") }
            invariant(SecurityAPI.Authorization(model).encoded == message?.encoded, "a policy changes under way: \(policy)")
        }
        let document = translateDocument(state)
        invariant((try? JSON.read(document.jsonBytes)) == document, "translate writes what isn't JSON")
    }
}
