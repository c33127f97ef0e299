// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ResourceAPI

/// Selectors as kubectl writes them.
@Suite struct LabelSelectorTests {
    private let web = ["app": "web", "tier": "front", "example.com/team": ""]

    @Test(arguments: [
        ("", true), ("   ", true), ("app", true), ("app=web", true), ("app==web", true), (" app = web ", true), ("app=db", false),
        ("app!=db", true), ("app!=web", false), ("zone!=a", true), ("!zone", true), ("!app", false), ("app in (web,db)", true),
        ("app in ( db )", false), ("app notin (db,cache)", true), ("app notin (web)", false), ("zone notin (a)", true),
        ("zone in (a)", false),
        ("app=web,tier=front", true), ("app=web,tier=back", false), ("app,tier in (front),!zone,example.com/team=", true),
        ("example.com/team in (,x)", true), ("app in (web),tier", true),
    ]) func `an object is meant or isn't`(_ selector: String, _ isMeant: Bool) throws {
        #expect(try LabelSelector(selector).matches(web) == isMeant)
    }

    @Test(arguments: [
        ",", "app,", "=web", "app=web,,tier", "app in web", "app in (web", "app in", "app between (a)", "app=a b", "!", "!!app",
        "a/b/c", "/app",
        "-app", "app=-x", "app=x.", "Example.COM/app", "app=wéb", "app in (a))", "app=a\u{0}", "app>1",
        String(repeating: "a", count: 64),
        "app=" + String(repeating: "a", count: 64), String(repeating: "a,", count: 10_000),
    ]) func `what is no selector is a bad request that says where`(_ selector: String) {
        let status = #expect(throws: APIStatus.self) { try LabelSelector(selector) }
        #expect(status?.reason == .badRequest && status?.message.contains("label selector") == true)
    }
}
