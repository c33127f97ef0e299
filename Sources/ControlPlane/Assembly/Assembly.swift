// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Discovery
internal import HTTP
internal import Kernel
internal import Loop
internal import Mesh
internal import ResourceAPI
internal import Store
internal import TLS
internal import Telemetry
internal import Transport

/// Builds `warren-control` from its configuration and runs it. One loop serves every connection; the store's thread commits, the publish thread
/// translates, errands sign.
enum Assembly {
    /// Serves until a signal ends it. Returns the exit code.
    static func run(_ configuration: ControlConfiguration, signals: consuming SignalDescriptor) throws(Errno) -> CInt {
        let descriptors = Limits.raiseDescriptors()
        let logWriter = try LogWriter(format: configuration.log.format, levels: configuration.log.levels)
        try logWriter.start()
        defer { logWriter.stop() }
        let log = logWriter.makeLog(.daemon)
        log.info("warren-control \(warrenVersion): \(descriptors) descriptors")
        let store: any Store
        let authority: Authority
        do {
            // For hosts' state too, whose daemon has a folder of its own in it.
            try? File.makeDirectory(configuration.directory, mode: 0o755)
            store = try open(configuration)
            authority = try openAuthority(configuration)
            try MeshRoots.check(authority, in: store)
        } catch {
            log.error("\(error)")
            return ExitCode.unavailable
        }
        let loop = try Loop()
        let plane: ControlPlaneServer
        do throws(ControlFailure) {
            plane = try ControlPlaneServer(configuration, store: store, authority: authority, loop: loop, log: log)
            try plane.start()
        } catch {
            log.error(error.description)
            return ExitCode.unavailable
        }
        let source = try SignalSource(signals, plane: plane)
        loop.run()
        withExtendedLifetime(source) {}
        plane.close()
        return 0
    }

    private static func open(_ configuration: ControlConfiguration) throws(ControlFailure) -> any Store {
        do throws(StoreFailure) {
            guard let etcd = EtcdSettings(configuration.store) else { return try SQLiteStore(path: configuration.storeFile) }
            return try EtcdStore(etcd)
        } catch {
            throw ControlFailure("the store can't be used: \(error.text)")
        }
    }

    /// The authority of this host, if it has one already: none is made.
    static func standingAuthority(_ configuration: ControlConfiguration) throws(ControlFailure) -> Authority? {
        guard !configuration.authority.certificate.isEmpty || AuthorityDirectory.isThere(configuration.authorityDirectory) else {
            return nil
        }
        return try openAuthority(configuration)
    }

    private static func openAuthority(_ configuration: ControlConfiguration) throws(ControlFailure) -> Authority {
        var settings = AuthoritySettings()
        settings.workloadLifetime = Int64(configuration.authority.lifetime.nanoseconds / 1_000_000_000)
        settings.nodeLifetime = Int64(configuration.authority.nodeLifetime.nanoseconds / 1_000_000_000)
        let trustDomain = configuration.mesh.trustDomain
        let given = configuration.authority
        do throws(AuthorityFailure) {
            if !given.certificate.isEmpty {
                return try Authority.files(
                    certificate: given.certificate, key: given.key, roots: given.roots,
                    directory: configuration.authorityDirectory, trustDomain: trustDomain, settings: settings,
                    now: WallTime.now().seconds)
            }
            return try Authority.open(
                directory: configuration.authorityDirectory, trustDomain: trustDomain, settings: settings,
                now: WallTime.now().seconds)
        } catch {
            throw ControlFailure(error.description)
        }
    }
}

extension EtcdSettings {
    /// Nil: the store is a file.
    init?(_ given: StoreSettings) {
        guard let address = StoreAddress(given.etcd) else { return nil }
        let files = EtcdSettings.Files(authority: given.ca, certificate: given.certificate, key: given.key)
        self.init(
            endpoints: address.endpoints.map { EtcdSettings.Endpoint(host: $0.host, port: $0.port) }, prefix: address.prefix,
            files: address.isPlain ? nil : files,
            login: given.user.isEmpty ? nil : EtcdSettings.Login(user: given.user, passwordFile: given.passwordFile))
    }
}

/// Why the control plane can't serve: a sentence with what to do.
struct ControlFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Signals as events of the loop.
private final class SignalSource: EventSource {
    private let signals: SignalDescriptor
    private let plane: ControlPlaneServer

    init(_ signals: consuming SignalDescriptor, plane: ControlPlaneServer) throws(Errno) {
        self.signals = signals
        self.plane = plane
        _ = try plane.loop.watch(self.signals.descriptor.number, for: .read, source: self)
    }

    func ready(_ readiness: Readiness) {
        while let signal = try? signals.next() {
            switch signal {
            case .reload: plane.log.info("SIGHUP: the configuration is read at start only")
            case .terminate, .interrupt: plane.leave()
            }
        }
    }
}
