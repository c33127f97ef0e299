// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents
internal import Kernel
internal import Mesh

/// The files that a person writes: configuration and mesh resources.
extension Checker {
    mutating func checkConfiguration() {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(configurationPath, limit: 1 << 20)
        } catch {
            guard error == .noSuchFile else {
                return fail(
                    "configuration", "\(configurationPath) can't be read: \(error)", remedy: remedy(for: error, configurationPath)
                )
            }
            return warn(
                "configuration", "\(configurationPath) isn't there: all settings have their defaults",
                remedy: "Write it, or name another with --config. docs/configuration.md lists every setting.")
        }
        let (configuration, findings) = DaemonConfiguration.read(bytes, node: hostName())
        let errors = findings.filter { $0.severity == .error }
        for finding in findings {
            let message = "\(configurationPath):\(finding.position.line): \(finding.message)"
            if finding.severity == .error {
                fail("configuration", message, remedy: finding.remedy)
            } else {
                warn("configuration", message, remedy: finding.remedy)
            }
        }
        guard errors.isEmpty else { return }
        self.configuration = configuration
        if findings.isEmpty { ok("configuration", "\(configurationPath) is right") }
    }

    mutating func checkMesh() {
        let path = configuration.mesh.path
        do throws(MeshInput.Failure) {
            let files = try MeshInput.read([path])
            let (set, findings) = loadResources(files: files, options: configuration.meshOptions)
            let errors = findings.filter { $0.severity == .error }
            guard errors.isEmpty else {
                let first = errors.prefix(5).map(\.description).joined(separator: "\n")
                return fail(
                    "mesh", "\(HumanText.count(errors.count, "error")) in \(path):\n\(first)",
                    remedy: "`warren validate -f \(path)` lists every finding.")
            }
            resources = translate(set, options: configuration.meshOptions)
            let warnings = findings.count { $0.severity == .warning }
            let sentence = "\(HumanText.count(files.count, "file")) at \(path) with \(HumanText.count(set.count, "resource"))"
            if warnings > 0 {
                warn(
                    "mesh", "\(sentence), \(HumanText.count(warnings, "warning"))",
                    remedy: "`warren validate -f \(path)` lists them.")
            } else {
                ok("mesh", sentence)
            }
        } catch {
            fail("mesh", error.message, remedy: "Put mesh resources there, or set mesh.path.")
        }
    }

    /// What to do about a file that can't be read.
    func remedy(for failure: Errno, _ path: String) -> String {
        failure == .accessDenied ? "Run this as root, or look at the permissions of \(path)." : "Look at \(path)."
    }
}

extension DaemonConfiguration {
    /// The names of the mesh as the translation wants them.
    var meshOptions: MeshOptions {
        var options = MeshOptions()
        options.clusterName = mesh.clusterName
        options.clusterDomain = mesh.clusterDomain
        options.trustDomain = mesh.trustDomain
        options.rootNamespace = mesh.rootNamespace
        options.network = mesh.network
        return options
    }
}
