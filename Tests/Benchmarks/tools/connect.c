// SPDX-License-Identifier: Apache-2.0
//
// New connections: opens one, sends a request, reads the answer to its end, closes, and opens the next; some at a time, for a
// number of seconds. Prints what it counted as one JSON object; `stuck` are those that were under way for half a second at the end.
//
//   connect ADDRESS PORT CONCURRENT SECONDS
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// The application of the benchmark answers every request with these last bytes (configs/application.conf).
static const char end_of_answer[] = "benchmark\n";
static const char request[] = "GET / HTTP/1.1\r\nHost: benchmark\r\n\r\n";

struct connection {
    int descriptor;
    int sent;
    size_t have;
    double begun;
    char answer[1024];
};

static struct sockaddr_in target;
static int events;
static long done, failed;
static float *times;
static const long most = 4000000;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void begin(struct connection *c) {
    c->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->descriptor < 0) { perror("socket"); exit(1); }
    int on = 1;
    setsockopt(c->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->sent = 0;
    c->have = 0;
    c->begun = now();
    if (connect(c->descriptor, (struct sockaddr *)&target, sizeof target) && errno != EINPROGRESS) { perror("connect"); exit(1); }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(events, EPOLL_CTL_ADD, c->descriptor, &event);
}

static void end(struct connection *c, int good, int again) {
    if (good) { if (done < most) times[done] = now() - c->begun; done++; } else failed++;
    close(c->descriptor);
    c->descriptor = -1;
    if (again) begin(c);
}

static void go_on(struct connection *c, int again) {
    if (!c->sent) {
        if (send(c->descriptor, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1) { end(c, 0, again); return; }
        c->sent = 1;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(events, EPOLL_CTL_MOD, c->descriptor, &event);
        return;
    }
    ssize_t got = recv(c->descriptor, c->answer + c->have, sizeof c->answer - c->have, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { end(c, 0, again); return; }
    c->have += got;
    size_t tail = sizeof end_of_answer - 1;
    if (c->have >= tail && !memcmp(c->answer + c->have - tail, end_of_answer, tail)) end(c, 1, again);
}

static int compare(const void *a, const void *b) { return (*(float *)a > *(float *)b) - (*(float *)a < *(float *)b); }

int main(int count, char **words) {
    if (count != 5) { fprintf(stderr, "usage: connect ADDRESS PORT CONCURRENT SECONDS\n"); return 64; }
    int concurrent = atoi(words[3]);
    target.sin_family = AF_INET;
    target.sin_port = htons(atoi(words[2]));
    if (inet_pton(AF_INET, words[1], &target.sin_addr) != 1) { fprintf(stderr, "no address: %s\n", words[1]); return 64; }
    events = epoll_create1(EPOLL_CLOEXEC);
    times = malloc(most * sizeof *times);
    struct connection *all = calloc(concurrent, sizeof *all);
    double begun = now(), until = begun + atof(words[4]), at;
    for (int i = 0; i < concurrent; i++) begin(&all[i]);
    struct epoll_event ready[64];
    while ((at = now()) < until) {
        int found = epoll_wait(events, ready, 64, 100);
        for (int i = 0; i < found; i++) go_on(ready[i].data.ptr, 1);
    }
    int stuck = 0;
    for (int i = 0; i < concurrent; i++) stuck += at - all[i].begun > 0.5;
    long kept = done < most ? done : most;
    qsort(times, kept, sizeof *times, compare);
    printf("{\"done\": %ld, \"failed\": %ld, \"seconds\": %.6f, \"p50\": %.1f, \"p99\": %.1f, \"stuck\": %d}\n", done, failed, at - begun,
           kept ? times[kept / 2] * 1e6 : 0, kept ? times[kept * 99 / 100] * 1e6 : 0, stuck);
    return 0;
}
