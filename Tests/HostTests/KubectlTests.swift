// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

extension HostTests {
    /// kubectl and a client library against a control plane that is no Kubernetes.
    @Suite struct Kubectl {
        private func command(_ bench: ControlBench, _ arguments: [String]) -> [String] {
            [
                "env", "KUBE_EDITOR=sed -i s/7070/6060/", "kubectl", "--server", bench.server, "--certificate-authority",
                "\(bench.folder)/root.pem", "--token", bench.token,
            ] + arguments
        }

        private func says(
            _ bench: ControlBench, _ arguments: [String], _ words: String..., input: String? = nil, status: Int = 0,
            at location: SourceLocation = #_sourceLocation
        ) throws {
            let outcome = try bench.outcome(command(bench, arguments), input: input)
            #expect(outcome.status == status, "\(arguments): \(outcome)", sourceLocation: location)
            for word in words {
                #expect(
                    outcome.out.contains(word) || outcome.err.contains(word), "\(arguments), \(word): \(outcome)",
                    sourceLocation: location)
            }
        }

        private static let shop = """
            apiVersion: v1
            kind: Namespace
            metadata: {name: shop}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: stock, namespace: shop}
            spec:
              selector: {app: stock}
              ports: [{name: http, port: 80, targetPort: 8080}]
            ---
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: stock-1, namespace: shop, labels: {app: stock}, annotations: {warren.dev/node: b, warren.dev/network-namespace: stock}}
            spec: {address: 10.0.2.2, serviceAccount: stock}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: allow-web, namespace: shop}
            spec:
              rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]

            """

        @Test func `apply, diff, patch, edit, watch, explain and delete`() throws {
            let bench = try ControlBench()
            try says(bench, ["api-resources"], "authorizationpolicies", "workloadentries", "nodegrants")
            try says(bench, ["apply", "-f", "-"], "service/stock created", "allow-web created", input: Self.shop)
            try says(bench, ["apply", "-f", "-"], "service/stock unchanged", "stock-1 unchanged", input: Self.shop)
            try says(
                bench, ["wait", "--for=condition=Programmed", "ap/allow-web", "svc/stock", "-n", "shop", "--timeout=20s"],
                "allow-web condition met", "stock condition met")
            try says(bench, ["get", "svc,we,ap", "-n", "shop"], "240.240.", "10.0.2.2", "ALLOW")
            try says(bench, ["label", "ns", "shop", "istio.io/dataplane-mode=ambient"], "labeled")
            try says(bench, ["get", "ns", "-l", "istio.io/dataplane-mode=ambient", "-o", "name"], "namespace/shop")
            let changed = Self.shop.replacing("8080", with: "9090")
            try says(bench, ["diff", "-f", "-"], "-    targetPort: 8080", "+    targetPort: 9090", input: changed, status: 1)
            try says(bench, ["diff", "-f", "-"], input: Self.shop)
            try says(
                bench, ["apply", "--server-side", "-f", "-"], "conflict with \"kubectl-client-side-apply\"", input: changed,
                status: 1)
            try says(bench, ["apply", "--server-side", "--force-conflicts", "-f", "-"], "serverside-applied", input: changed)
            try says(bench, ["get", "svc", "stock", "-n", "shop", "-o", "jsonpath={.spec.ports[0].targetPort}"], "9090")
            try says(
                bench, ["patch", "svc", "stock", "-n", "shop", "-p", #"{"spec":{"ports":[{"port":80,"targetPort":7070}]}}"#],
                "patched")
            try says(bench, ["get", "svc", "stock", "-n", "shop", "-o", "jsonpath={.spec.ports}"], "7070", #""name":"http""#)
            let watch = try RunningCommand(
                command(bench, ["get", "svc", "-n", "shop", "-w", "-o", "jsonpath={.spec.ports[0].targetPort} "]),
                environment: ["HOME": bench.folder])
            let end = Moment.now() + 20
            while !watch.out.contains("7070 "), Moment.now() < end { usleep(20_000) }
            try says(bench, ["edit", "svc", "stock", "-n", "shop"], "edited")
            while !watch.out.contains("6060 "), Moment.now() < end { usleep(20_000) }
            #expect(watch.out.contains("6060 "), "\(watch.err)")
            watch.signal(SIGTERM)
            _ = watch.wait(seconds: 5)
            try says(
                bench,
                [
                    "patch", "we", "stock-1", "-n", "shop", "--type", "json", "-p",
                    #"[{"op":"add","path":"/spec/weight","value":5}]"#,
                ],
                "patched")
            try says(bench, ["explain", "service.spec.ports"], "appProtocol")
            try says(bench, ["explain", "authorizationpolicy", "--recursive"], "principals")
            try says(bench, ["delete", "we", "stock-1", "-n", "shop"], "deleted")
            try says(bench, ["delete", "ns", "shop"], "deleted")
            try says(bench, ["get", "ns", "-o", "name"], "namespace/default")
            try says(bench, ["get", "svc", "-A"], "No resources found")
        }

        @Test func `what is wrong is said so that its author can mend it`() throws {
            let bench = try ControlBench()
            try says(bench, ["apply", "-f", "-"], input: Self.shop)
            // Older ones find it by themselves, by our schema, and name it without its path.
            try says(
                bench, ["apply", "-f", "-"], #"unknown field ""#, #"selektor""#,
                input: Self.shop.replacing("selector:", with: "selektor:"), status: 1)
            try says(bench, ["create", "ns", "Bad_Name"], "metadata.name", "lower case", status: 1)
            try says(bench, ["get", "svc", "none", "-n", "shop"], #"services "none" not found"#, status: 1)
            try says(bench, ["-n", "nowhere", "create", "sa", "x"], #"namespaces "nowhere" not found"#, status: 1)
            try says(bench, ["create", "ns", "shop"], "already exists", status: 1)
            try says(bench, ["delete", "ns", "default"], "may not be deleted", status: 1)
            let twin = Self.shop.replacing("stock-1", with: "stock-2")
            try says(bench, ["apply", "-f", "-"], "10.0.2.2", "shop/stock-1", input: twin, status: 1)
            let stranger = try bench.outcome([
                "kubectl", "--server", bench.server, "--certificate-authority", "\(bench.folder)/root.pem", "--token",
                "wa1.0123456789abcdef.\(String(repeating: "0", count: 64))", "get", "ns",
            ])
            #expect(!stranger.succeeded && stranger.err.contains("wrong, expired or revoked"), "\(stranger)")
        }

        @Test func `a client library lists and watches through restarts and misses nothing`() throws {
            let bench = try ControlBench()
            try Files.write(Self.informer, to: "\(bench.folder)/informer.py")
            let informer = try RunningCommand(
                ["/usr/bin/python3", "\(bench.folder)/informer.py", bench.server, "\(bench.folder)/root.pem", bench.token, "30"],
                environment: ["HOME": bench.folder])
            let end = Moment.now() + 20
            while !informer.out.contains("listed"), Moment.now() < end { usleep(20_000) }
            for number in 0..<30 {
                if number % 10 == 5 {
                    try bench.stop(number == 15 ? SIGTERM : SIGKILL)
                    try bench.start()
                }
                let body = #"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"s\#(number)"}}"#
                let answer = try bench.request("POST", "/api/v1/namespaces/default/serviceaccounts", body: body)
                #expect(answer.status == 201, "\(answer)")
            }
            let outcome = informer.finish(seconds: 30)
            #expect(outcome.succeeded, "\(outcome)")
            #expect(outcome.out.contains("seen \((0..<30).map { "s\($0)" }.joined(separator: ","))"), "\(outcome)")
        }

        /// As an informer does it: list, watch from there, and again from the last revision when the watch breaks.
        private static let informer = """
            import sys, time, kubernetes, urllib3
            server, roots, token, count = sys.argv[1:5]
            configuration = kubernetes.client.Configuration(host=server)
            configuration.ssl_ca_cert = roots
            configuration.api_key = {'authorization': 'Bearer ' + token}
            api = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
            version = api.list_namespaced_service_account('default').metadata.resource_version
            print('listed', flush=True)
            seen = []
            end = time.time() + 25
            while len(seen) < int(count) and time.time() < end:
                try:
                    for event in kubernetes.watch.Watch().stream(
                            api.list_namespaced_service_account, 'default', resource_version=version, timeout_seconds=20):
                        version = event['object'].metadata.resource_version
                        assert event['type'] == 'ADDED', event['type']
                        seen.append(event['object'].metadata.name)
                        if len(seen) == int(count):
                            break
                except (urllib3.exceptions.HTTPError, kubernetes.client.exceptions.ApiException) as error:
                    assert getattr(error, 'status', 0) != 410, error
                    time.sleep(0.05)
            print('seen', ','.join(seen))
            """
    }
}
