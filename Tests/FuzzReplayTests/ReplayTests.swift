// SPDX-License-Identifier: Apache-2.0

import FuzzHarnesses
import Kernel
import Support
import Testing

/// Every input that the fuzzer began with, and every one that ever broke something, once more: each target in a process of its own, so that a
/// trap is a failed test that names the input. Without sanitizers; `Tests/Fuzz/run.sh` has them.
@Suite struct ReplayTests {
    private static let folder = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Fuzz"

    @Test(arguments: FuzzTarget.all.map(\.name))
    func `nothing in the corpus breaks its reader`(_ name: String) async throws {
        let corpus = "\(Self.folder)/\(name)/Corpus"
        let files = try Files.list(corpus).sorted()
        #expect(files.count >= 12, "a corpus of \(files.count) inputs: the folder is elsewhere, or its seeds are lost")
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            [name, corpus = corpus as String, files = files as [String]] in
            let target = try #require(FuzzTarget.named(name))
            for file in files {
                StandardStream.error.write("\(corpus)/\(file)\n")
                target.fuzz(try Files.read("\(corpus)/\(file)"))
            }
        }
        let lines = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self).split(separator: "\n")
        let read = Set(lines.filter { $0.hasPrefix("\(corpus)/") })
        #expect(read.count == files.count, "stopped after \(lines.suffix(8).joined(separator: "\n"))")
    }

    @Test func `each folder with a corpus is a target`() throws {
        let folders = try Files.list(Self.folder).filter { Files.exists("\(Self.folder)/\($0)/Corpus") }
        #expect(Set(folders) == Set(FuzzTarget.all.map(\.name)))
    }
}
