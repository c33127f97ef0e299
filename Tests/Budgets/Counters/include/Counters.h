// SPDX-License-Identifier: Apache-2.0
// What Tests/Budgets needs of Linux and Swift can't call. No logic.
#ifndef WARREN_COUNTERS_H
#define WARREN_COUNTERS_H

/// Counts how often a thread passes a tracepoint; a descriptor to read eight bytes from, or -1 with errno.
int counters_open_tracepoint(unsigned long long number, int thread);

#endif
