// SPDX-License-Identifier: Apache-2.0

internal import Documents
internal import HTTP
internal import ResourceAPI
internal import Transport

/// Answers of the control plane's own paths: JSON, never kept by anybody on the way, and failures as Kubernetes writes them.
enum ControlAnswer {
    static func success(_ value: Value, status: Int = 200) -> HTTP1Response {
        HTTP1Response(
            status: status,
            headers: [
                "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff",
            ], body: value.jsonBytes)
    }

    static func failure(_ failure: APIStatus) -> HTTP1Response {
        var response = success(failure.document, status: failure.reason.code)
        switch failure.reason {
        case .unauthorized: response.headers.append("www-authenticate", "Bearer")
        case .tooManyRequests, .unavailable: response.headers.append("retry-after", "5")
        case .badRequest, .forbidden, .notFound, .methodNotAllowed, .notAcceptable, .alreadyExists, .conflict, .expired,
            .tooLarge, .unsupportedMediaType, .invalid, .internalError, .timeout:
            break
        }
        return response
    }

    static func failure(_ failure: HTTPBodyFailure) -> HTTP1Response? {
        switch failure {
        case .tooLarge(let limit): Self.failure(APIStatus(.tooLarge, "the body has more than \(limit) bytes"))
        case .timeout: Self.failure(APIStatus(.timeout, "the body didn't come in time"))
        case .aborted: nil
        }
    }

    /// The body of a request as JSON, bounded, and then what is made of it; failures are answered here.
    static func read(_ exchange: any HTTPExchange, limit: Int, _ done: @escaping (Value) -> Void) {
        let type = exchange.head.headers["content-type"]?.split(separator: ";").first.map { $0.lowercased().filter { $0 != " " } }
        guard type == "application/json" else {
            exchange.respond(failure(APIStatus(.unsupportedMediaType, "the body must be application/json, and say so")))
            return
        }
        exchange.readBody(limit: limit) { result in
            switch result {
            case .failure(let failure):
                if let response = Self.failure(failure) { exchange.respond(response) }
            case .success(let bytes):
                var limits = DocumentLimits()
                (limits.bytes, limits.depth, limits.nodes) = (limit, 8, 2000)
                do throws(DocumentFailure) {
                    done(try JSON.read(bytes, limits: limits))
                } catch {
                    exchange.respond(Self.failure(APIStatus(.badRequest, "\(error.message), at \(error.position)")))
                }
            }
        }
    }
}
