// SPDX-License-Identifier: Apache-2.0

import Glibc
import Kernel
import Synchronization
import Testing

struct PrivateFileTests {
    private func fault(_ path: String, limit: Int = 100, owner: PrivateFile.Owner = .anybody, followLink: Bool = true)
        -> PrivateFile.Fault?
    {
        do throws(PrivateFile.Fault) {
            _ = try PrivateFile.read(path, limit: limit, owner: owner, followLink: followLink)
            return nil
        } catch { return error }
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = try FileTests.Folder()
        try body(folder.path)
    }

    @Test func `a secret is its owner's alone, a file, and no longer than it may be`() throws {
        try withFolder { folder in
            let path = "\(folder)/secret"
            #expect(fault(path) == .unreadable(.noSuchFile))
            try File.replace(path, with: Array("word".utf8), mode: 0o600)
            #expect(try PrivateFile.read(path, limit: 4, owner: .own) == Array("word".utf8))
            #expect(fault(path, limit: 3) == .unreadable(.fileTooLarge))
            for mode: UInt32 in [0o640, 0o604, 0o620, 0o601] {
                try File.changeMode(path, mode)
                #expect(fault(path) == .openToOthers(mode: mode))
            }
            #expect(fault(folder) == .notAFile)
        }
    }

    @Test(.enabled(if: Limits.userID == 0)) func `whose it is counts where it should`() throws {
        try withFolder { folder in
            let path = "\(folder)/secret"
            try File.replace(path, with: Array("word".utf8), mode: 0o600)
            #expect(unsafe chown(path, 1000, 1000) == 0)
            #expect(fault(path, owner: .own) == .ofUser(1000))
            #expect(fault(path, owner: .ownOrRoot) == .ofUser(1000))
            #expect(fault(path) == nil)
        }
    }

    @Test func `links are followed, as Kubernetes makes them, unless they mustn't be`() throws {
        try withFolder { folder in
            try File.makeDirectory("\(folder)/..data", mode: 0o700)
            try File.replace("\(folder)/..data/token", with: Array("word".utf8), mode: 0o600)
            #expect(unsafe symlink("..data/token", "\(folder)/token") == 0)
            #expect(try PrivateFile.read("\(folder)/token", limit: 4) == Array("word".utf8))
            #expect(fault("\(folder)/token", followLink: false) == .notAFile)
            try File.changeMode("\(folder)/..data/token", 0o644)
            #expect(fault("\(folder)/token") == .openToOthers(mode: 0o644))
        }
    }

    @Test func `a pipe holds nobody, and is read where a person may give one`() throws {
        try withFolder { folder in
            let path = "\(folder)/pipe"
            #expect(unsafe mkfifo(path, 0o600) == 0)
            #expect(fault(path) == .notAFile)
            let writer = try Thread(name: "writer") { try? File.write(path, "word") }
            #expect(try PrivateFile.read(path, limit: 4, takesPipe: true) == Array("word".utf8))
            writer.join()
        }
    }

    @Test func `what was judged is what is read, while the name leads elsewhere`() throws {
        try withFolder { folder in
            try File.replace("\(folder)/good", with: Array("good".utf8), mode: 0o600)
            try File.replace("\(folder)/bad", with: Array("bad".utf8), mode: 0o644)
            let path = "\(folder)/name"
            #expect(unsafe symlink("good", path) == 0)
            let isOver = Atomic<Bool>(false)
            let swapper = try Thread(name: "swapper") {
                var number = 0
                while !isOver.load(ordering: .relaxed) {
                    number += 1
                    _ = unsafe symlink(number.isMultiple(of: 2) ? "good" : "bad", "\(folder)/next")
                    _ = unsafe rename("\(folder)/next", path)
                }
            }
            var (read, refused) = (0, 0)
            let end = Instant.now() + .seconds(60)
            while (read < 500 || refused < 500) && Instant.now() < end {
                do throws(PrivateFile.Fault) {
                    #expect(try PrivateFile.read(path, limit: 4) == Array("good".utf8))
                    read += 1
                } catch {
                    #expect(error == .openToOthers(mode: 0o644))
                    refused += 1
                }
            }
            isOver.store(true, ordering: .relaxed)
            swapper.join()
            #expect(read >= 500 && refused >= 500)
        }
    }
}
