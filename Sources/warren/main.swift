// SPDX-License-Identifier: Apache-2.0

internal import Daemon
internal import Kernel
internal import Operator

// A reader of our output that goes away (`warren tunnels | head`) is no reason to die loudly.
ignoreBrokenPipes()
Limits.forbidCore()
CrashReport.install(program: "warren", version: warrenVersion)
let session = Session(console: .standard())
exitProgram(Warren.run(Array(CommandLine.arguments.dropFirst()), session).rawValue)
