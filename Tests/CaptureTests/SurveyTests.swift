// SPDX-License-Identifier: Apache-2.0

import Bytes
import Kernel
import Testing

@testable import Capture

extension OnTheKernel {
    /// What `warren check` finds in a namespace.
    @Suite struct SurveyTests {
        private static let services = [Lab.serviceV4, Lab.serviceV6].compactMap { IPAddress($0) }

        @Test func `a good namespace has nothing to report, captured or not`() throws {
            let lab = try Lab()
            #expect(try lab.capture.survey(lab.workload.open(), destinations: Self.services) == NamespaceSurvey())
            try lab.install()
            #expect(try lab.capture.survey(lab.workload.open(), destinations: Self.services) == NamespaceSurvey())
        }

        @Test(arguments: [true, false])
        func `I05 a namespace without a route to services is found, and the command that helps named`(isCaptured: Bool) throws {
            let lab = try Lab()
            if isCaptured { try lab.install() }
            try lab.workload.shell("ip route del default; ip -6 route del default")
            #expect(try lab.capture.survey(lab.workload.open(), destinations: Self.services).unreachable == Self.services)
            let commands = Self.services.map { NamespaceSurvey.remedy($0, namespace: "web") }
            #expect(commands == ["ip -n web route add default via GATEWAY", "ip -n web -6 route add default via GATEWAY"])
        }

        @Test func `others' NAT and policy rules that come before ours are found`() throws {
            let lab = try Lab()
            try lab.workload.shell(
                """
                nft 'table ip docker { chain DNS { type nat hook output priority -100; }; chain more { type nat hook prerouting priority 0; }; }'
                nft 'table ip6 harmless { chain a { type filter hook input priority 0; }; }'
                ip rule add pref 20 from 10.1.0.0/16 lookup 7; ip rule add pref 200 from 10.2.0.0/16 lookup 7
                """)
            let survey = try lab.capture.survey(lab.workload.open(), destinations: [])
            #expect(survey.foreignNAT == ["ip docker"])
            #expect(survey.earlierRules == [20])
        }

        @Test func `this kernel takes our rules, and a check leaves nothing`() throws {
            let capture = Capture(stateDirectory: "/nowhere", program: Lab.daemon)
            let namespace = try LabNamespace()
            let home = try NetworkNamespace.current()
            try namespace.open().enter(from: home) { try capture.checkKernel() }
            #expect(try namespace.run("nft", "list", "ruleset") == "")
        }
    }
}
