// SPDX-License-Identifier: Apache-2.0

internal import Capture

// nftables is spoken to by a short-lived child, which is this program too.
if CommandLine.arguments.dropFirst().first == RulesChild.argument { runRulesChild() }
