// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into every program of a benchmark: each TCP socket that it makes or accepts gets the congestion control that
// BENCH_CONGESTION names. The pacing of BBR, the default of many hosts, decides bulk throughput more than any proxy does, so all
// systems get the same, client and server too.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char *congestion;
static int (*real_socket)(int, int, int);
static int (*real_accept)(int, struct sockaddr *, socklen_t *);
static int (*real_accept4)(int, struct sockaddr *, socklen_t *, int);

__attribute__((constructor)) static void prepare(void) {
    congestion = getenv("BENCH_CONGESTION");
    real_socket = dlsym(RTLD_NEXT, "socket");
    real_accept = dlsym(RTLD_NEXT, "accept");
    real_accept4 = dlsym(RTLD_NEXT, "accept4");
}

// An accepted socket inherits it from a listener of ours, but a listener may have come from elsewhere.
static int set(int descriptor) {
    int before = errno;
    if (descriptor >= 0 && congestion) setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, congestion, strlen(congestion));
    errno = before;
    return descriptor;
}

int socket(int domain, int type, int protocol) {
    if (!real_socket) prepare();
    int descriptor = real_socket(domain, type, protocol);
    return (domain == AF_INET || domain == AF_INET6) && (type & 15) == SOCK_STREAM ? set(descriptor) : descriptor;
}

int accept(int listener, struct sockaddr *address, socklen_t *length) {
    if (!real_accept) prepare();
    return set(real_accept(listener, address, length));
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    if (!real_accept4) prepare();
    return set(real_accept4(listener, address, length, flags));
}
