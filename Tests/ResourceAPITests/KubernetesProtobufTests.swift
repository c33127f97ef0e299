// SPDX-License-Identifier: Apache-2.0

import Documents
import Testing
import Wire

@testable import ResourceAPI

/// Bodies in Kubernetes' protobuf.
@Suite struct KubernetesProtobufTests {
    /// What client-go wraps around an object.
    private func enveloped(_ kind: String, _ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var object = ProtobufWriter()
        body(&object)
        var envelope = ProtobufWriter()
        envelope.write(message: 1) { type in
            type.write(string: "v1", field: 1)
            type.write(string: kind, field: 2)
        }
        envelope.write(bytes: object.bytes, field: 2)
        envelope.write(string: "", field: 3)
        envelope.write(string: "", field: 4)
        return Array("k8s\u{0}".utf8) + envelope.bytes
    }

    private var service: [UInt8] {
        enveloped("Service") { service in
            service.write(message: 1) { metadata in
                metadata.write(string: "web", field: 1)
                metadata.write(string: "", field: 2)
                metadata.write(varint: 0, field: 7)
                metadata.write(message: 8) { _ in }
                metadata.write(message: 11) { label in
                    label.write(string: "app", field: 1)
                    label.write(string: "web", field: 2)
                }
            }
            service.write(message: 2) { spec in
                spec.write(message: 1) { port in
                    port.write(string: "http", field: 1)
                    port.write(string: "TCP", field: 2)
                    port.write(varint: 80, field: 3)
                    port.write(message: 4) { target in
                        target.write(varint: 1, field: 1)
                        target.write(string: "www", field: 3)
                    }
                    port.write(varint: 0, field: 5)
                }
                spec.write(string: "ClusterIP", field: 4)
                spec.write(varint: 7, field: 99)
            }
            service.write(message: 3) { $0.write(message: 1) { _ in } }
        }
    }

    @Test func `a service reads as its JSON would`() throws {
        let object = try RequestBody.object(service, contentType: "application/vnd.kubernetes.protobuf")
        let expected = try yaml(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: web, labels: {app: web}}
            spec: {type: ClusterIP, ports: [{name: http, protocol: TCP, port: 80, targetPort: www}]}
            """)
        #expect(object == expected)
        #expect(try TestWorld().create("/api/v1/namespaces/shop/services", object).change == .created)
    }

    @Test func `every cut of it is refused or read, and nothing else happens`() {
        for count in service.indices {
            let cut = Array(service[..<count])
            let status = failure { _ = try RequestBody.object(cut, contentType: "application/vnd.kubernetes.protobuf") }
            #expect(status == nil || status?.reason == .badRequest)
        }
        for place in service.indices {
            var changed = service
            changed[place] ^= 0xff
            let status = failure { _ = try RequestBody.object(changed, contentType: "application/vnd.kubernetes.protobuf") }
            #expect(status == nil || status?.reason == .badRequest)
        }
    }

    @Test func `kinds without one, and other bodies, are refused`() {
        let policy = enveloped("AuthorizationPolicy") { _ in }
        for body in [policy, Array("{}".utf8), Array("k8s".utf8), Array("k8s\u{0}".utf8)] {
            let status = failure { _ = try RequestBody.object(body, contentType: "application/vnd.kubernetes.protobuf") }
            #expect(status?.reason == .badRequest)
        }
    }
}
