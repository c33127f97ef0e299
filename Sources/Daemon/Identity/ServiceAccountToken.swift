// SPDX-License-Identifier: Apache-2.0

internal import Documents
package import Kernel
internal import Wire

/// What a Kubernetes service account proves itself with: a JSON Web Token that somebody writes into a file, and writes anew before it expires. A
/// value; its text is told to nobody but the control plane.
package struct ServiceAccountToken: Sendable {
    /// What a token says of itself. Nobody has verified it: good for words and for what to ask, not for decisions.
    package struct Claims: Hashable, Sendable {
        package let namespace: String
        package let serviceAccount: String
        /// Of a token that is bound to a pod.
        package let pod: String?
        /// Of one that is bound to a pod or a node.
        package let node: String?
        package let expires: WallTime?

        /// `NAMESPACE/ACCOUNT`.
        package var account: String { "\(namespace)/\(serviceAccount)" }
    }

    /// Why a token can't be used: a sentence.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
    }

    package let text: String
    /// Nil for a token of another kind.
    package let claims: Claims?

    /// Tokens of Kubernetes have about a kilobyte, and servers take no header of more than 16 KiB.
    private static let limit = 16 << 10

    /// From the content of a file, whose name is for words.
    package init(_ content: [UInt8], from path: String) throws(Failure) {
        let text = content.drop(while: Self.isSpace).reversed().drop(while: Self.isSpace).reversed()
        guard !text.isEmpty else { throw Failure(description: "the token in \(path) is empty") }
        guard text.count <= Self.limit else { throw Self.tooLong(path) }
        // RFC 6750, section 2.1: nothing in it can end a header.
        guard text.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw Failure(description: "\(path) holds no token: that is one line of letters, digits and signs")
        }
        self.text = String(decoding: text, as: UTF8.self)
        claims = Claims(token: self.text)
    }

    /// Reads the file, which only its owner may use: whoever reads it is whom it names. Blocking; for each call anew.
    package static func read(_ path: String) throws(Failure) -> ServiceAccountToken {
        let content: [UInt8]
        do throws(PrivateFile.Fault) {
            content = try PrivateFile.read(path, limit: limit + 2, owner: .ownOrRoot)
        } catch {
            throw Failure(description: words(error, path))
        }
        return try ServiceAccountToken(content, from: path)
    }

    private static func words(_ fault: PrivateFile.Fault, _ path: String) -> String {
        switch fault {
        case .unreadable(.fileTooLarge): tooLong(path).description
        case .unreadable(.noSuchFile): "there is no token at \(path), where control.istiod.token says"
        case .unreadable(let failure): "the token in \(path) can't be read: \(failure)"
        case .notAFile: "\(path) is no file, so there is no token in it"
        case .ofUser(let user): "the token in \(path) is user \(user)'s, who could exchange it: run `chown root \(path)`"
        case .openToOthers: "the token in \(path) may be used by others than its owner: run `chmod 600 \(path)`"
        }
    }

    private static func tooLong(_ path: String) -> Failure {
        Failure(description: "\(path) holds no token: it is longer than \(limit >> 10) KiB")
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
}

extension ServiceAccountToken.Claims {
    private static let subject = "system:serviceaccount:"
    /// Until the year 9999.
    private static let times: ClosedRange<Int64> = 0...253_402_300_799

    /// From the middle part of a JSON Web Token (RFC 7519). Nil for anything that doesn't name a service account.
    init?(token: String) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let bytes = Base64.decode(url: parts[1]), let payload = try? JSON.read(bytes),
            let subject = payload["sub"]?.stringValue, subject.hasPrefix(Self.subject)
        else { return nil }
        let names = subject.dropFirst(Self.subject.count).split(separator: ":", omittingEmptySubsequences: false)
        guard names.count == 2, names.allSatisfy(Self.isName) else { return nil }
        let bound = payload["kubernetes.io"]
        func name(_ kind: String) -> String? {
            bound?[kind]?["name"]?.stringValue.flatMap { Self.isName($0[...]) ? $0 : nil }
        }
        self.init(
            namespace: String(names[0]), serviceAccount: String(names[1]), pod: name("pod"), node: name("node"),
            expires: payload["exp"]?.integerValue.flatMap { Self.times.contains($0) ? WallTime(seconds: $0) : nil })
    }

    /// What Kubernetes calls a DNS subdomain: it goes into the node's id and onto terminals.
    private static func isName(_ text: Substring) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x2e
            }
    }
}
