// SPDX-License-Identifier: Apache-2.0

extension Session {
    /// The way to a control plane.
    package static func client(_ endpoint: ControlEndpoint) throws(ControlFailure) -> any ControlClient {
        switch endpoint.place {
        case .socket(let path): return SocketControlClient(path: path, token: endpoint.token)
        case .network:
            throw ControlFailure(
                "\(endpoint.place.url) can't be reached: this version speaks to the control plane of its own host alone",
                remedy: "Run the command there.", isUnreachable: true)
        }
    }
}
