// SPDX-License-Identifier: Apache-2.0

/// docs/configuration.md, made of the table of settings: `warren reference configuration` prints it, a test compares.
package enum ConfigurationReference {
    /// The whole page.
    package static var markdown: String {
        ([introduction] + sections.map(section)).joined(separator: "\n") + "\n"
    }

    private static let introduction = """
        # Configuration of warrend

        `warrend` reads \(DaemonConfiguration.standardPath), or the file that `--config` names. Every setting has a default, so an
        empty file is a configuration. An unknown key or a value of the wrong kind is an error that names line, field and remedy;
        `warrend check-config` and `warren check` find it before a restart does.

        Settings of a section are nested; `timeouts.connect` stands in the file as

        ```yaml
        timeouts:
          connect: 10s
        ```

        Durations are written like `250ms`, `10s`, `5m` or `24h`, sizes like `512`, `64KiB` or `16MiB`. The ports
        \(Ports.outbound), \(Ports.inboundPlain) and \(Ports.hbone) are no settings: both ends of a tunnel count on them.

        The file is read when warrend starts. A restart keeps capture in place; SIGHUP reads the mesh resources again, not this file.

        This page is made of the same table as the reader of the file: `warren reference configuration` prints it.

        """

    private static var sections: [(name: String, settings: [Setting])] {
        var sections: [(name: String, settings: [Setting])] = []
        for setting in DaemonConfiguration.settings {
            let parts = setting.path.split(separator: ".")
            let name = parts.count == 1 ? "General" : String(parts[0])
            if let index = sections.firstIndex(where: { $0.name == name }) {
                sections[index].settings.append(setting)
            } else {
                sections.append((name, [setting]))
            }
        }
        return sections
    }

    private static func section(_ section: (name: String, settings: [Setting])) -> String {
        let titles = "| setting | default | may be | what it does, and why the default |\n|---|---|---|---|\n"
        return "## \(section.name)\n\n" + titles + section.settings.map(row).joined()
    }

    private static func row(_ setting: Setting) -> String {
        let text = setting.defaultText
        let standard = text.contains(" ") ? text : "`\(text.isEmpty ? "\"\"" : text)`"
        return "| `\(setting.path)` | \(standard) | \(setting.form) | \(setting.meaning) *Why:* \(setting.reason) |\n"
    }
}
