// SPDX-License-Identifier: Apache-2.0

internal import Bytes
internal import Daemon
internal import Kernel
internal import Loop
internal import TLS
internal import Transport

/// Connects to control planes: looks the name up on a thread of its own, tries each of its addresses, and takes none that can't prove to be the
/// mesh's own.
final class TLSDialler: ControlDialler {
    private struct Found: Sendable {
        let number: UInt64
        let addresses: Result<[IPAddress], NameLookup.Failure>
    }

    private let loop: Loop
    private let silence: Interval
    private let mailbox: Mailbox<Found>
    private var lookups: [UInt64: (Result<[IPAddress], NameLookup.Failure>) -> Void] = [:]
    private var numbers: UInt64 = 0
    /// Threads that wait for the system's resolver: it has bounds of its own, so that these end.
    private var threads = 0
    private static let maximumThreads = 4

    init(loop: Loop, silence: Interval) throws(Errno) {
        self.loop = loop
        self.silence = silence
        mailbox = try Mailbox<Found>()
        try mailbox.attach(to: loop) { [unowned self] found in
            threads -= 1
            lookups.removeValue(forKey: found.number)?(found.addresses)
        }
    }

    func dial(
        _ address: ControlAddress, with access: ControlAccess, within: Interval,
        done: @escaping (Result<any ControlLink, ControlFailure>) -> Void, ended: @escaping (String) -> Void
    ) -> () -> Void {
        let attempt = Attempt(self, address, access, deadline: Instant.now() + within, done: done, ended: ended)
        resolve(address.host) { [weak attempt] in attempt?.resolved($0) }
        attempt.bound(within)
        return { attempt.cancel() }
    }

    private func resolve(_ host: String, then: @escaping (Result<[IPAddress], NameLookup.Failure>) -> Void) {
        if let literal = IPAddress(host) { return then(.success([literal])) }
        guard threads < Self.maximumThreads else {
            return then(.failure(NameLookup.Failure(reason: "the resolver doesn't answer")))
        }
        numbers += 1
        let (number, mailbox) = (numbers, mailbox)
        do throws(Errno) {
            _ = try Thread(name: "lookup") { mailbox.send(Found(number: number, addresses: NameLookup.addresses(of: host))) }
        } catch {
            return then(.failure(NameLookup.Failure(reason: "no thread for it: \(error)")))
        }
        threads += 1
        lookups[number] = then
    }

    /// One address of the configuration: its IP addresses in turn, each with its share of the time.
    private final class Attempt {
        private unowned let dialler: TLSDialler
        private let address: ControlAddress
        private let access: ControlAccess
        private let deadline: Instant
        private var left: ArraySlice<IPAddress> = []
        private var done: ((Result<any ControlLink, ControlFailure>) -> Void)?
        private let ended: (String) -> Void
        private var connection: ServiceConnection?
        private let alarm: Alarm
        /// Keeps the attempt until it is over.
        private var own: Attempt?

        init(
            _ dialler: TLSDialler, _ address: ControlAddress, _ access: ControlAccess, deadline: Instant,
            done: @escaping (Result<any ControlLink, ControlFailure>) -> Void, ended: @escaping (String) -> Void
        ) {
            self.dialler = dialler
            self.address = address
            self.access = access
            self.deadline = deadline
            self.done = done
            self.ended = ended
            alarm = Alarm(loop: dialler.loop)
            own = self
        }

        func bound(_ within: Interval) {
            guard done != nil, connection == nil else { return }
            alarm.set(within) { [weak self] in
                guard let self, connection == nil else { return }
                finish(.failure(ControlFailure("the name \(address.host) isn't found within \(within.seconds) s")))
            }
        }

        func cancel() {
            done = nil
            connection?.close()
            release()
        }

        func resolved(_ result: Result<[IPAddress], NameLookup.Failure>) {
            switch result {
            case .failure(let failure): finish(.failure(ControlFailure("the name \(address.host): \(failure.reason)")))
            case .success(let addresses):
                left = addresses[...]
                next(ControlFailure("no address"))
            }
        }

        private func next(_ last: ControlFailure) {
            guard done != nil else { return }
            guard let ip = left.popFirst() else { return finish(.failure(last)) }
            let remote = SocketAddress(ip, address.port)
            let rest = deadline.since(Instant.now())
            let share = Interval(nanoseconds: rest.nanoseconds / UInt64(left.count + 1))
            do throws(CertificateFailure) {
                let context = try TLSContext(
                    caller: access.shown, roots: access.roots, check: access.check, protocols: ["h2"])
                var bounds = ServiceBounds()
                bounds.connectTimeout = share
                bounds.handshakeTimeout = share
                bounds.pingInterval = dialler.silence
                bounds.pingTimeout = dialler.silence
                let made = ServiceConnection(loop: dialler.loop, to: .address(remote), tls: context, bounds: bounds)
                connection = made
                made.onReady = { [weak self] in self?.opened(made) }
                made.onLost = { [weak self] in self?.next(ControlFailure($0.description)) }
            } catch { finish(.failure(ControlFailure("the certificates for the control plane can't be used: \(error)"))) }
        }

        private func opened(_ made: ServiceConnection) {
            let ended = ended
            made.onLost = { ended($0.description) }
            finish(.success(ServiceLink(made, metadata: access.metadata, loop: dialler.loop)))
        }

        private func finish(_ result: Result<any ControlLink, ControlFailure>) {
            let done = done
            release()
            done?(result)
        }

        private func release() {
            alarm.cancel()
            done = nil
            connection = nil
            own = nil
        }
    }
}
