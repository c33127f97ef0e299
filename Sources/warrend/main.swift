// SPDX-License-Identifier: Apache-2.0

import Daemon
import Kernel
import NodeProxy

// What runs before any other thread exists: memory, faults, signals, and the child that loads rules, which shares nothing with the daemon but
// the file.
Limits.configureAllocator()
Limits.forbidCore()
CrashReport.install(program: "warrend", version: warrenVersion)
exitProgram(NodeProgram.run(CommandLine.arguments))
