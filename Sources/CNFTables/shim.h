// SPDX-License-Identifier: Apache-2.0
#ifndef WARREN_CNFTABLES_H
#define WARREN_CNFTABLES_H
// libnftables.h defines _GNU_SOURCE: too late to take effect once these are in, so that Swift sees one fd_set only.
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <nftables/libnftables.h>
#endif
