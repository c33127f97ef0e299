// SPDX-License-Identifier: Apache-2.0

package import HTTP
package import Kernel
internal import Loop

/// One whole request and its whole answer, within bounds of size and time. It holds itself until it is answered.
package final class ServiceRequest: ServiceCaller, TimerTarget {
    package typealias Answer = Result<HTTP1Response, ServiceFailure>

    private let limit: Int
    private let connection: ServiceConnection
    private let timeout: Interval
    private var done: ((Answer) -> Void)?
    private var call: ServiceCall?
    private var timer: LoopToken?
    private var response = HTTP1Response(status: 0)
    private var held: ServiceRequest?

    /// Makes a request on a connection that may still be coming up. `done` is called once, on the loop.
    /// - Parameter limit: of the answer's body, in bytes.
    @discardableResult
    package init(
        on connection: ServiceConnection, method: String, path: String, headers: HTTPHeaders = [:], body: [UInt8] = [],
        limit: Int = 4 << 20, timeout: Interval = .seconds(30), _ done: @escaping (Answer) -> Void
    ) {
        self.connection = connection
        self.limit = limit
        self.timeout = timeout
        self.done = done
        held = self
        timer = connection.loop.arm(timeout, self, tag: 0)
        let call = ServiceCall(connection, method: method, path: path, headers: headers, body: body, caller: self)
        self.call = call
        call.begin()
    }

    package func timerFired(_ tag: UInt32) {
        timer = nil
        call?.cancel()
        finish(.failure(ServiceFailure(.timeout, "\(connection.place): no answer within \(timeout.seconds) s")))
    }

    /// Gives it up; `done` isn't called any more.
    package func cancel() {
        done = nil
        call?.cancel()
        finish(.failure(ServiceFailure(.lost, "given up")))
    }

    package func answered(_ call: ServiceCall, status: Int, headers: HTTPHeaders) {
        response.status = status
        response.headers = headers
    }

    package func received(_ call: ServiceCall, _ bytes: [UInt8]) {
        call.consumed(bytes.count)
        guard response.body.count + bytes.count <= limit else {
            call.cancel()
            return finish(.failure(ServiceFailure(.tooLarge, "\(connection.place) answers more than \(limit) bytes")))
        }
        response.body += bytes
    }

    package func ended(_ call: ServiceCall, trailers: HTTPHeaders) { finish(.success(response)) }
    package func failed(_ call: ServiceCall, _ failure: ServiceFailure) { finish(.failure(failure)) }

    private func finish(_ answer: Answer) {
        if let timer = timer.take() { connection.loop.cancel(timer) }
        call = nil
        let tell = done.take()
        held = nil
        tell?(answer)
    }
}
