// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel
internal import Mesh

/// The mesh as files: one, or a folder of them. Blocking; run as an errand.
struct MeshFiles: Sendable {
    /// All files together. A mesh of 5,000 hosts with ten workloads each has about 15 MB.
    private static let limit = 64 << 20
    /// One file: what the reader of documents takes.
    private static let fileLimit = 16 << 20
    private static let maximumFiles = 10_000
    private static let endings = [".yaml", ".yml", ".json"]

    let path: String

    /// The folder in which changes show.
    var folder: String {
        if let status = try? File.status(path), status.kind == .directory { return path }
        let parts = path.split(separator: "/").dropLast()
        return "/" + parts.joined(separator: "/")
    }

    /// Every file with its bytes; or why not, in words for the operator.
    func read() -> Result<[(name: String, text: [UInt8])], MeshRefusal> {
        do throws(Errno) {
            let status = try File.status(path)
            guard status.kind == .directory else { return read([path]) }
            let names = try File.names(in: path).filter { name in
                !name.hasPrefix(".") && Self.endings.contains { name.hasSuffix($0) }
            }
            guard names.count <= Self.maximumFiles else {
                return .failure(MeshRefusal("\(path) has \(names.count) files; at most \(Self.maximumFiles) are read"))
            }
            return read(names.map { "\(path)/\($0)" })
        } catch {
            return .failure(MeshRefusal("\(path) can't be read: \(error). Set mesh.path to a file or folder of mesh resources"))
        }
    }

    private func read(_ paths: [String]) -> Result<[(name: String, text: [UInt8])], MeshRefusal> {
        var files: [(name: String, text: [UInt8])] = []
        var total = 0
        for path in paths {
            do throws(Errno) {
                // Opening a named pipe would wait for whoever writes it.
                guard try File.status(path).kind == .file else { return .failure(MeshRefusal("\(path) is no file")) }
                let text = try File.read(path, limit: Self.fileLimit)
                total += text.count
                guard total <= Self.limit else {
                    return .failure(MeshRefusal("the mesh files have more than \(Self.limit >> 20) MiB together"))
                }
                files.append((path, text))
            } catch {
                let size = "\(path) has more than \(Self.fileLimit >> 20) MiB: split it into several files of a folder"
                return .failure(MeshRefusal(error == .fileTooLarge ? size : "\(path) can't be read: \(error)"))
            }
        }
        return .success(files)
    }
}

/// Why a set of mesh files isn't taken over.
struct MeshRefusal: Error, Sendable {
    let reason: String
    var findings: [Finding] = []

    init(_ reason: String, findings: [Finding] = []) {
        self.reason = reason
        self.findings = findings
    }
}

/// What a set of files came to.
struct LoadedMesh: Sendable {
    let state: MeshState
    let snapshot: MeshSnapshot
    let warnings: [Finding]
}

extension MeshFiles {
    /// Reads, checks and translates. The state before is needed to see what the change would drop (I18).
    func load(options: MeshOptions, after old: MeshState, revision: UInt64, allowEmpty: Bool) -> Result<LoadedMesh, MeshRefusal> {
        let files: [(name: String, text: [UInt8])]
        switch read() {
        case .success(let read): files = read
        case .failure(let refusal): return .failure(refusal)
        }
        let (resources, findings) = loadResources(files: files, options: options)
        let errors = findings.filter { $0.severity == .error }
        guard errors.isEmpty else {
            return .failure(MeshRefusal("\(errors.count) error\(errors.count == 1 ? "" : "s") in \(path)", findings: errors))
        }
        let state = translate(resources, options: options)
        if let reason = MeshChange.refusalToApply(old: old, new: state, allowEmpty: allowEmpty) {
            return .failure(MeshRefusal(reason))
        }
        let snapshot = MeshSnapshot(state: state, options: options, revision: revision)
        return .success(LoadedMesh(state: state, snapshot: snapshot, warnings: findings))
    }
}
