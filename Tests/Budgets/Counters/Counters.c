// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "Counters.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

int counters_open_tracepoint(unsigned long long number, int thread) {
    struct perf_event_attr event = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof event, .config = number};
    return (int)syscall(SYS_perf_event_open, &event, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
}
