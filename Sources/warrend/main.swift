// SPDX-License-Identifier: Apache-2.0

import Kernel
import NodeProxy

// What runs before any other thread exists: memory, signals, and the child that loads rules, which shares nothing with the daemon but the file.
Limits.configureAllocator()
exitProgram(NodeProgram.run(CommandLine.arguments))
