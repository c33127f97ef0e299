// SPDX-License-Identifier: Apache-2.0

/// The pages of the reference about configuration, made of the tables of settings: `warren reference` prints them, a test compares.
package enum ConfigurationReference {
    /// docs/configuration.md.
    package static var markdown: String { page(introduction, DaemonConfiguration.settings) }

    /// docs/configuration-control.md.
    package static var control: String { page(controlIntroduction, ControlConfiguration.settings) }

    private static func page<Configuration>(_ introduction: String, _ settings: [SettingOf<Configuration>]) -> String {
        ([introduction] + sections(settings).map { section($0.name, $0.settings) }).joined(separator: "\n") + "\n"
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

    private static let controlIntroduction = """
        # Configuration of warren-control

        `warren-control` reads \(ControlConfiguration.standardPath) if it is there, or the file that `--config` names. Every setting
        has a default: without a file it serves. An unknown key or a value of the wrong kind is an error that names line, field and
        remedy. How a file is written, and what durations look like, stands in [configuration.md](configuration.md).

        The file is read when warren-control starts.

        This page is made of the same table as the reader of the file: `warren reference control` prints it.

        """

    private static func sections<Configuration>(
        _ settings: [SettingOf<Configuration>]
    ) -> [(name: String, settings: [SettingOf<Configuration>])] {
        var sections: [(name: String, settings: [SettingOf<Configuration>])] = []
        for setting in settings {
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

    private static func section<Configuration>(_ name: String, _ settings: [SettingOf<Configuration>]) -> String {
        let titles = "| setting | default | may be | what it does, and why the default |\n|---|---|---|---|\n"
        return "## \(name)\n\n" + titles + settings.map(row).joined()
    }

    private static func row<Configuration>(_ setting: SettingOf<Configuration>) -> String {
        let text = setting.defaultText
        let standard = text.contains(" ") ? text : "`\(text.isEmpty ? "\"\"" : text)`"
        return "| `\(setting.path)` | \(standard) | \(setting.form) | \(setting.meaning) *Why:* \(setting.reason) |\n"
    }
}
