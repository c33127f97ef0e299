// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Documents
internal import Kernel
internal import Mesh

/// Runs the checks one after the other, each on what those before it found. Lives for one run of `warren check`.
struct Checker {
    let configurationPath: String
    let session: Session
    let host: HostProbe
    /// What the file says; the defaults where it is missing or wrong.
    var configuration = DaemonConfiguration(node: hostName())
    /// The socket of the command line; nil to take the configuration's.
    let socketArgument: String?
    /// The daemon's `/status`; nil if it doesn't answer.
    var status: Value?
    /// The resources at mesh.path, if they can be used.
    var resources: MeshState?
    private(set) var results: [CheckResult] = []

    init(configurationPath: String, socket: String?, session: Session, host: HostProbe) {
        self.configurationPath = configurationPath
        self.session = session
        self.host = host
        socketArgument = socket
    }

    var socket: String { socketArgument ?? configuration.admin.socket }

    mutating func run() {
        checkConfiguration()
        if configuration.control.istiod.isUsed {
            checkIstiod()
        } else if configuration.control.isUsed {
            checkMember()
        } else {
            checkMesh()
            checkAuthority()
        }
        checkDaemon()
        checkKernel()
        checkPorts()
        checkNamespaces()
        checkFacts()
    }

    mutating func ok(_ name: String, _ message: String) { results.append(CheckResult(name, .ok, message)) }

    mutating func warn(_ name: String, _ message: String, remedy: String) {
        results.append(CheckResult(name, .warning, message, remedy: remedy))
    }

    mutating func fail(_ name: String, _ message: String, remedy: String) {
        results.append(CheckResult(name, .failed, message, remedy: remedy))
    }

    mutating func skip(_ name: String, _ message: String, remedy: String = "") {
        results.append(CheckResult(name, .skipped, message, remedy: remedy))
    }
}
