// SPDX-License-Identifier: Apache-2.0
// What Swift's importer doesn't see of Linux: functions behind _GNU_SOURCE, headers that the Glibc module lacks, and macros.
// Plain calls and constants; no logic but the crash report's. Errors are -1 with errno, as everywhere in C.
#ifndef WARREN_CLINUX_H
#define WARREN_CLINUX_H

#include <linux/fib_rules.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>

int clinux_accept(int listener, struct sockaddr_storage *peer, socklen_t *length);
int clinux_enter_network_namespace(int descriptor);
long clinux_splice(int from, int to, size_t count);
int clinux_pipe(int ends[2], int size);
/// 1 if the descriptor lies on the kernel's nsfs.
int clinux_is_namespace(int descriptor);
int clinux_thread_id(void);
int clinux_set_thread_name(const char *name);
int clinux_die_with_parent(int signal);
int clinux_no_core(void);
/// Waits at most until that moment of CLOCK_MONOTONIC.
int clinux_sem_wait_until(sem_t *semaphore, const struct timespec *end);

/// SO_ORIGINAL_DST of the family; fills a sockaddr_in or sockaddr_in6.
int clinux_original_destination(int socket, int ipv6, struct sockaddr_storage *address, socklen_t *length);

/// The least round-trip time that TCP saw on a socket within the last minutes, in microseconds; UINT32_MAX before there was one.
int clinux_tcp_shortest_round_trip(int socket, uint32_t *microseconds);

/// One descriptor over a Unix socket, with one byte of payload at least.
long clinux_send_descriptor(int socket, int descriptor, const void *bytes, size_t count);
/// `descriptor` is -1 if none came. EMSGSIZE: there were more bytes or descriptors than that; those are gone.
long clinux_receive_descriptor(int socket, int *descriptor, void *bytes, size_t count);

/// A descriptor of the network namespace that a socket lives in.
int clinux_socket_namespace(int socket);

/// A process by descriptor: it never comes to mean another.
int clinux_open_process(int pid);
int clinux_signal_process(int process, int signal);

/// The peer's credentials of a Unix socket.
int clinux_peer_credentials(int socket, int *pid, unsigned *uid, unsigned *gid);

/// glibc's allocator: few arenas and fixed thresholds, so that memory returns to the system.
void clinux_configure_allocator(int threshold);
void clinux_trim_allocator(void);

/// From now on a fault of this program ends with a report on standard error. Once, before other threads exist. See CrashReport.c.
int clinux_install_crash_report(const char *program, const char *version);
/// A stack for signal handlers of the calling thread, so that a stack that overflowed can be reported; NULL if there is no memory.
void *clinux_make_alternate_stack(void);
/// On the thread that made it.
void clinux_drop_alternate_stack(void *memory);

extern const int clinux_ipv6_transparent;
extern const int clinux_ip_transparent;
extern const int clinux_ip_bind_address_no_port;
extern const int clinux_tcp_user_timeout;
extern const int clinux_tcp_congestion;
extern const uint32_t clinux_epollexclusive;

/// The child of posix_spawn in a fresh session is not enough for us: see Process.swift.
int clinux_close_range_cloexec(unsigned first);

#endif
