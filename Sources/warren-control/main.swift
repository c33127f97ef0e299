// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Daemon
import Kernel

// What runs before any other thread exists: memory, faults, signals.
// A response to a host has 128 KiB, and hundreds are made in a second.
Limits.configureAllocator(returned: 4 << 20)
Limits.forbidCore()
CrashReport.install(program: "warren-control", version: warrenVersion)
exitProgram(ControlProgram.run(CommandLine.arguments))
