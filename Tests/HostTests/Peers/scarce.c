// SPDX-License-Identifier: Apache-2.0
//
// A kernel that has run out of memory or descriptors, preloaded into a daemon as it is shipped: of the calls of its loops that the kernel may refuse
// for want of something, every so manieth is. The file that WARREN_SCARCE names says how many (4 bytes, 0: none), and is told how often it happened
// (the 4 bytes behind).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct orders {
    atomic_uint every, done;
};

static struct orders idle;
static struct orders *orders = &idle;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("WARREN_SCARCE");
    int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0 || ftruncate(file, sizeof(struct orders)) != 0) return;
    void *shared = mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) orders = shared;
}

// True, with errno set, if this call is to fail. Each thread counts for itself, and failures take turns.
static int is_refused(int first, int second) {
    static __thread unsigned calls, refusals;
    unsigned every = atomic_load_explicit(&orders->every, memory_order_relaxed);
    if (every == 0 || ++calls % every != 0) return 0;
    char name[16] = "";
    prctl(PR_GET_NAME, name, 0, 0, 0);
    if (strncmp(name, "loop-", 5)) return 0;
    atomic_fetch_add_explicit(&orders->done, 1, memory_order_relaxed);
    errno = ++refusals % 2 ? first : second;
    return 1;
}

// What the call does otherwise.
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int socket(int family, int type, int protocol) { return is_refused(ENOMEM, ENFILE) ? -1 : REAL(socket)(family, type, protocol); }
int accept4(int listener, struct sockaddr *peer, socklen_t *length, int flags) {
    return is_refused(ENOMEM, EMFILE) ? -1 : REAL(accept4)(listener, peer, length, flags);
}
int connect(int number, const struct sockaddr *address, socklen_t length) {
    return is_refused(ENOMEM, ENOBUFS) ? -1 : REAL(connect)(number, address, length);
}
int pipe2(int ends[2], int flags) { return is_refused(ENFILE, EMFILE) ? -1 : REAL(pipe2)(ends, flags); }
// What stands in the socket itself needs no memory.
int setsockopt(int number, int level, int name, const void *value, socklen_t length) {
    return level != SOL_SOCKET && is_refused(ENOMEM, ENOBUFS) ? -1 : REAL(setsockopt)(number, level, name, value, length);
}
// Forgetting and changing need no memory.
int epoll_ctl(int set, int what, int number, struct epoll_event *event) {
    return what == EPOLL_CTL_ADD && is_refused(ENOMEM, ENOSPC) ? -1 : REAL(epoll_ctl)(set, what, number, event);
}
ssize_t send(int number, const void *bytes, size_t count, int flags) {
    return is_refused(ENOMEM, ENOBUFS) ? -1 : REAL(send)(number, bytes, count, flags);
}
ssize_t recv(int number, void *bytes, size_t count, int flags) {
    return is_refused(ENOMEM, ENOBUFS) ? -1 : REAL(recv)(number, bytes, count, flags);
}
ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    return is_refused(ENOMEM, ENOMEM) ? -1 : REAL(splice)(from, from_at, to, to_at, count, flags);
}
