// SPDX-License-Identifier: Apache-2.0

/// What a method and a target ask for.
package enum APICall: Sendable {
    /// `/healthz`, `/livez`, `/readyz`, and parts of them.
    case health(String)
    case version
    /// A discovery document.
    case discovery(DiscoveryPath)
    /// `/openapi/v2`.
    case openAPIv2
    /// `/openapi/v3`: which documents there are.
    case openAPIv3
    /// `/openapi/v3/apis/GROUP/VERSION`.
    case openAPIv3Group(group: String, version: String)
    case resource(APIRequest)

    /// Reads the head of a request.
    /// - Throws: 400 for what is malformed, 404 for what isn't served, 405 for a method that doesn't fit.
    package init(method: String, target: String) throws(APIStatus) {
        let path = try APIPath(target)
        if let call = try Self.fixed(path.segments) {
            guard method == "GET" || method == "HEAD" else { throw .methodNotAllowed }
            self = call
            return
        }
        self = .resource(try APIRequest(method: method, path: path))
    }

    private static func fixed(_ segments: [String]) throws(APIStatus) -> APICall? {
        switch segments.first {
        case nil: return .discovery(.root)
        case "healthz", "livez", "readyz": return .health(segments.joined(separator: "/"))
        case "version" where segments.count == 1: return .version
        case "openapi": return try openAPI(segments)
        case "api" where segments.count == 1: return .discovery(.legacy)
        case "apis" where segments.count == 1: return .discovery(.groups)
        case "api" where segments.count == 2: return try resources(group: "", segments[1])
        case "apis" where segments.count == 2:
            guard APIKinds.groups.contains(where: { $0.name == segments[1] }) else { throw .noSuchPath }
            return .discovery(.group(segments[1]))
        case "apis" where segments.count == 3 && !segments[1].isEmpty: return try resources(group: segments[1], segments[2])
        case "api", "apis": return nil
        case .some: throw .noSuchPath
        }
    }

    private static func resources(group: String, _ version: String) throws(APIStatus) -> APICall {
        guard APIKinds.serves(group: group, version: version) else { throw .noSuchPath }
        return .discovery(.resources(group: group, version: version))
    }

    private static func openAPI(_ segments: [String]) throws(APIStatus) -> APICall {
        switch (segments.count, segments.dropFirst().first) {
        case (2, "v2"): return .openAPIv2
        case (2, "v3"): return .openAPIv3
        case (4, "v3") where segments[2] == "api" && APIKinds.serves(group: "", version: segments[3]):
            return .openAPIv3Group(group: "", version: segments[3])
        case (5, "v3") where segments[2] == "apis" && APIKinds.serves(group: segments[3], version: segments[4]):
            return .openAPIv3Group(group: segments[3], version: segments[4])
        default: throw .noSuchPath
        }
    }
}

/// Which discovery document.
package enum DiscoveryPath: Hashable, Sendable {
    /// `/`
    case root
    /// `/api`
    case legacy
    /// `/apis`
    case groups
    /// `/apis/GROUP`
    case group(String)
    /// `/api/v1`, `/apis/GROUP/VERSION`
    case resources(group: String, version: String)
}

extension APIStatus {
    /// 405.
    package static let methodNotAllowed = APIStatus(
        .methodNotAllowed, "the server does not allow this method on the requested resource")
}
