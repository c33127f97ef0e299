// SPDX-License-Identifier: Apache-2.0

import Bytes
import Documents
import Kernel
import Testing

@testable import Daemon

/// The control plane's table of settings.
@Suite struct ControlConfigurationTests {
    private func read(_ text: String) -> (configuration: ControlConfiguration, findings: [DocumentFinding]) {
        ControlConfiguration.read(Array(text.utf8), defaults: ControlConfiguration(names: ["here"]))
    }

    @Test func `nothing is a configuration`() {
        let (configuration, findings) = read("")
        #expect(findings.isEmpty)
        #expect(configuration.port == 15012 && configuration.names == ["here"])
        #expect(configuration.services.ipv4?.description == "240.240.0.0/16")
    }

    @Test func `every setting is read from where the reference says it stands`() throws {
        let (configuration, findings) = read(
            """
            names: [control.example.org, 192.0.2.7, "2001:db8::1"]
            port: 16012
            socket: /run/x.sock
            directory: /srv/warren
            metrics: {port: 16014}
            mesh: {trustDomain: example.org, clusterName: c, clusterDomain: d.local, rootNamespace: root, network: lan}
            services: {ipv4: 10.1.0.0/24, ipv6: none, quarantine: 1m}
            authority: {certificate: /a, key: /b, roots: /c, lifetime: 1h, nodeLifetime: 2h}
            log: {level: debug, format: json}
            """)
        #expect(findings.map(\.message) == [])
        let written = configuration.document
        #expect(try JSON.read(written.jsonBytes) == written)
        #expect(ControlConfiguration.read(written, defaults: .standard).configuration.document == written)
        #expect(configuration.storeFile == "/srv/warren/control.db" && configuration.authorityDirectory == "/srv/warren/ca")
        #expect(configuration.services.ipv6 == nil && configuration.mesh.network == "lan")
    }

    @Test(arguments: [
        ("port: 70000", "port"), ("names: []", "names"), ("names: [-a]", "names"), ("names: [a b]", "names"),
        ("services: {ipv4: 2001:db8::/64}", "services.ipv4"), ("services: {ipv4: 10.0.0.0/31}", "services.ipv4"),
        ("services: {ipv6: 10.0.0.0/8}", "services.ipv6"), ("authority: {certificate: a}", "authority.certificate"),
        ("authority: {certificate: /a}", "authority"), ("metrics: {port: 15012}", "metrics"),
        ("mesh: {trustDomain: 'A B'}", "mesh.trustDomain"), ("log: {level: loud}", "log.level"), ("nonsense: 1", "nonsense"),
        ("services: {quarantine: 1d}", "services.quarantine"),
    ]) func `what is wrong is named by its field and has a remedy`(_ text: String, _ field: String) {
        let findings = read(text).findings
        #expect(findings.contains { $0.severity == .error && $0.field == field && !$0.remedy.isEmpty }, "\(findings)")
    }

    @Test func `docs/configuration-control.md is what the table says`() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let page = String(decoding: try File.read("/\(root)/docs/configuration-control.md", limit: 1 << 20), as: UTF8.self)
        let isSame = page == ConfigurationReference.control
        #expect(isSame, "write it anew: warren reference control > docs/configuration-control.md")
        for setting in ControlConfiguration.settings { #expect(page.contains("| `\(setting.path)` |")) }
    }
}
