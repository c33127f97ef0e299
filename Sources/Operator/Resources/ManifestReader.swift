// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import Kernel

/// One object of a file that a command works on.
struct ManifestObject {
    let file: String
    let value: Value
    var line: Int { value.position.line }

    var apiVersion: String { value["apiVersion"]?.stringValue ?? "" }
    var kind: String { value["kind"]?.stringValue ?? "" }
    var name: String { value["metadata"]?["name"]?.stringValue ?? "" }
    var namespace: String { value["metadata"]?["namespace"]?.stringValue ?? "" }

    /// For messages: `mesh.yaml:17: Service db`.
    var place: String {
        let subject = [kind, name].filter { !$0.isEmpty }.joined(separator: " ")
        return "\(file):\(line)" + (subject.isEmpty ? "" : ": \(subject)")
    }
}

/// The objects of the files that `-f` names: files, folders, or `-` for standard input. Lists are taken apart.
enum ManifestReader {
    static let option = CommandOption(
        "file", short: "f", value: "PATH", "A file or a folder of objects, or - for standard input; may come several times.")

    static func read(_ paths: [String]) throws(ControlFailure) -> [ManifestObject] {
        var objects: [ManifestObject] = []
        for (name, text) in try files(paths) { objects += try documents(text, name == standardInput ? "standard input" : name) }
        guard !objects.isEmpty else {
            throw ControlFailure("there is no object in \(paths.joined(separator: ", "))", remedy: "Name files with objects.")
        }
        return objects
    }

    /// What `-` stands for.
    private static let standardInput = "/dev/stdin"

    private static func files(_ paths: [String]) throws(ControlFailure) -> [(name: String, text: [UInt8])] {
        do throws(MeshInput.Failure) {
            return try MeshInput.read(paths.map { $0 == "-" ? standardInput : $0 })
        } catch {
            throw ControlFailure(error.message, remedy: error.remedy)
        }
    }

    private static func documents(_ text: [UInt8], _ name: String) throws(ControlFailure) -> [ManifestObject] {
        do throws(DocumentFailure) {
            let objects = try YAML.read(text).flatMap { document -> [Value] in
                let isList = document["kind"]?.stringValue?.hasSuffix("List") == true
                return isList ? document["items"]?.sequenceValue ?? [document] : [document]
            }
            return objects.map { ManifestObject(file: name, value: $0) }
        } catch {
            throw ControlFailure("\(name):\(error.position.line): \(error.message)", remedy: error.remedy)
        }
    }
}
