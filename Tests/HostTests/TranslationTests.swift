// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension HostTests {
    /// `warren translate` over the sets that a real istiod answered, compared by a program that shares nothing with ours.
    @Suite struct Translation {
        private static let folder: String = {
            let parts = #filePath.split(separator: "/")
            return "/" + parts.dropLast(2).joined(separator: "/") + "/MeshTests/Vectors"
        }()

        private static func sets() throws -> [String] {
            try Files.list(folder).filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
        }

        @Test func `every set without a waypoint means what istiod's means`() throws {
            let sets = try Self.sets().filter { !$0.hasPrefix("waypoint-") }
            #expect(sets.count == 32)
            let scratch = try Files.makeTemporaryFolder()
            defer { Files.remove(scratch) }
            for set in sets {
                let outcome = try RunningCommand.run(
                    [
                        Programs.path("warren"), "translate", "-f", "\(Self.folder)/\(set).yaml", "--cluster", "Kubernetes", "-o",
                        "json",
                    ])
                #expect(outcome.succeeded, "\(set): \(outcome)")
                try Files.write(outcome.out, to: "\(scratch)/ours.json")
                let compared = try RunningCommand.run(
                    Peer.command("compare_translation", ["\(Self.folder)/\(set).json", "\(scratch)/ours.json"]))
                #expect(compared.succeeded, "\(set):\n\(compared.out)\(compared.err)")
            }
        }

        @Test func `the comparison sees a difference`() throws {
            let scratch = try Files.makeTemporaryFolder()
            defer { Files.remove(scratch) }
            let text = try Files.text("\(Self.folder)/workload-hbone.json")
            for (change, equal) in [("", true), ("\"db-1\"", false), ("HBONE", false)] {
                let other =
                    change.isEmpty
                    ? text : text.split(separator: change, omittingEmptySubsequences: false).joined(separator: "\"other\"")
                try Files.write(other, to: "\(scratch)/ours.json")
                let compared = try RunningCommand.run(
                    Peer.command("compare_translation", ["\(Self.folder)/workload-hbone.json", "\(scratch)/ours.json"]))
                #expect(compared.succeeded == equal, "\(change): \(compared)")
            }
        }
    }
}
