// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// After netinet/in.h: the kernel's own definitions then step back.
#include <linux/netfilter_ipv4.h>
#include <linux/sockios.h>

// From linux/netfilter_ipv6/ip6_tables.h, which drags in more than it gives.
#ifndef IP6T_SO_ORIGINAL_DST
#define IP6T_SO_ORIGINAL_DST 80
#endif
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

const int clinux_ipv6_transparent = IPV6_TRANSPARENT;
const int clinux_ip_transparent = IP_TRANSPARENT;
const int clinux_ip_bind_address_no_port = IP_BIND_ADDRESS_NO_PORT;
const int clinux_tcp_user_timeout = TCP_USER_TIMEOUT;
const int clinux_tcp_congestion = TCP_CONGESTION;
const uint32_t clinux_epollexclusive = EPOLLEXCLUSIVE;

int clinux_accept(int listener, struct sockaddr_storage *peer, socklen_t *length) {
    return accept4(listener, (struct sockaddr *)peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int clinux_tcp_shortest_round_trip(int socket, uint32_t *microseconds) {
    // linux/tcp.h can't stand beside netinet/tcp.h, whose structure ends before tcpi_min_rtt: 8 bytes, 24 times 4, 4 times 8, 3 times 4.
    enum { min_rtt = 148 };
    uint32_t info[min_rtt / 4 + 1];
    socklen_t length = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, info, &length) != 0) return -1;
    if (length < sizeof info) {
        errno = ENOPROTOOPT;
        return -1;
    }
    *microseconds = info[min_rtt / 4];
    return 0;
}

int clinux_enter_network_namespace(int descriptor) { return setns(descriptor, CLONE_NEWNET); }

long clinux_splice(int from, int to, size_t count) {
    return splice(from, NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

int clinux_pipe(int ends[2], int size) {
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return -1;
    // A smaller pipe than asked for still works: the per-user limit is no reason to fail.
    (void)fcntl(ends[1], F_SETPIPE_SZ, size);
    return 0;
}

int clinux_is_namespace(int descriptor) {
    struct statfs system;
    // NSFS_MAGIC of linux/magic.h.
    return fstatfs(descriptor, &system) == 0 && system.f_type == 0x6e736673;
}

int clinux_thread_id(void) { return (int)syscall(SYS_gettid); }
int clinux_set_thread_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }
int clinux_sem_wait_until(sem_t *semaphore, const struct timespec *end) { return sem_clockwait(semaphore, CLOCK_MONOTONIC, end); }
int clinux_die_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0); }
int clinux_no_core(void) {
    const struct rlimit none = {0, 0};
    // The first holds also where the kernel pipes cores to a program, which the limit doesn't keep it from.
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) | setrlimit(RLIMIT_CORE, &none);
}

int clinux_original_destination(int socket, int ipv6, struct sockaddr_storage *address, socklen_t *length) {
    *length = ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    return ipv6 ? getsockopt(socket, IPPROTO_IPV6, IP6T_SO_ORIGINAL_DST, address, length)
                : getsockopt(socket, IPPROTO_IP, SO_ORIGINAL_DST, address, length);
}

long clinux_send_descriptor(int socket, int descriptor, const void *bytes, size_t count) {
    struct iovec part = {(void *)bytes, count};
    union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int))]; } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

long clinux_receive_descriptor(int socket, int *descriptor, void *bytes, size_t count) {
    struct iovec part = {bytes, count};
    union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(int))]; } control;
    struct msghdr message = {0};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    // Not CMSG_SPACE: its padding has room for a second descriptor.
    message.msg_controllen = CMSG_LEN(sizeof(int));
    *descriptor = -1;
    long received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(descriptor, CMSG_DATA(header), sizeof(int));
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        if (*descriptor >= 0) close(*descriptor);
        *descriptor = -1;
        errno = EMSGSIZE;
        return -1;
    }
    return received;
}

int clinux_socket_namespace(int socket) { return ioctl(socket, SIOCGSKNS); }

int clinux_open_process(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int clinux_signal_process(int process, int signal) { return (int)syscall(SYS_pidfd_send_signal, process, signal, NULL, 0); }

int clinux_peer_credentials(int socket, int *pid, unsigned *uid, unsigned *gid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
    *pid = credentials.pid;
    *uid = credentials.uid;
    *gid = credentials.gid;
    return 0;
}

void clinux_configure_allocator(int threshold) {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, threshold);
    mallopt(M_TRIM_THRESHOLD, threshold);
}

void clinux_trim_allocator(void) { malloc_trim(0); }

int clinux_close_range_cloexec(unsigned first) {
    // CLOSE_RANGE_CLOEXEC
    return (int)syscall(SYS_close_range, first, ~0U, 4);
}
