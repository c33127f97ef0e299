// SPDX-License-Identifier: Apache-2.0
//
// Loaded before libc (LD_PRELOAD): gives every TCP socket of a program the congestion control that BENCH_CONGESTION names.
// The host's default can't be relied on: some machines come with BBR, whose pacing decides every bulk row. Sockets that are
// accepted inherit the listener's, so that a new connection costs no further system call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void choose(int descriptor) {
    const char *name = getenv("BENCH_CONGESTION");
    int kept = errno;
    if (descriptor >= 0 && name != NULL) setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
    errno = kept;
}

int socket(int family, int type, int protocol) {
    static int (*next)(int, int, int);
    if (next == NULL) next = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    int descriptor = next(family, type, protocol);
    if ((family == AF_INET || family == AF_INET6) && (type & 0xf) == SOCK_STREAM) choose(descriptor);
    return descriptor;
}

int listen(int descriptor, int backlog) {
    static int (*next)(int, int);
    if (next == NULL) next = (int (*)(int, int))dlsym(RTLD_NEXT, "listen");
    choose(descriptor);
    return next(descriptor, backlog);
}
