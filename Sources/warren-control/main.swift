// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Daemon
import Kernel

// What runs before any other thread exists: memory, faults, signals.
Limits.configureAllocator()
Limits.forbidCore()
CrashReport.install(program: "warren-control", version: warrenVersion)
exitProgram(ControlProgram.run(CommandLine.arguments))
