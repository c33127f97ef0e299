// SPDX-License-Identifier: Apache-2.0
//
// Loads a server with connections, from one thread.
//
//   connections short ADDRESS PORT AT-ONCE SECONDS   new ones all the time: connect, one request, its answer, close
//   connections hold ADDRESS PORT COUNT              COUNT of them, one request each, then idle until standard input ends
//
// Answers on standard output, in JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_latencies = 4 << 20, answer_size = 4096 };
static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

struct connection {
    int descriptor;
    bool asked;
    uint64_t began;
    size_t got;
    char answer[answer_size + 1];
};

static struct sockaddr_in target;
static int queue;
static uint64_t done, failed;
static uint32_t *latencies;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static bool begin(struct connection *it) {
    it->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (it->descriptor < 0) return false;
    int on = 1;
    setsockopt(it->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    it->began = now();
    it->got = 0;
    it->asked = false;
    if (connect(it->descriptor, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS) {
        close(it->descriptor);
        it->descriptor = -1;
        return false;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = it};
    return epoll_ctl(queue, EPOLL_CTL_ADD, it->descriptor, &event) == 0;
}

// Whether the answer is whole: its head ended, and as many bytes came behind it as it says.
static bool whole(struct connection *it) {
    it->answer[it->got] = 0;
    char *end = strstr(it->answer, "\r\n\r\n");
    char *length = strcasestr(it->answer, "content-length:");
    return end != NULL && length != NULL && it->answer + it->got >= end + 4 + strtoul(length + 15, NULL, 10);
}

// 1: answered, 0: goes on, -1: failed.
static int advance(struct connection *it, uint32_t events) {
    if (!it->asked) {
        if (events & (EPOLLERR | EPOLLHUP)) return -1;
        if (send(it->descriptor, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1) return -1;
        it->asked = true;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = it};
        return epoll_ctl(queue, EPOLL_CTL_MOD, it->descriptor, &event);
    }
    ssize_t count = recv(it->descriptor, it->answer + it->got, answer_size - it->got, 0);
    if (count < 0) return errno == EAGAIN ? 0 : -1;
    if (count == 0) return -1;
    it->got += (size_t)count;
    return whole(it) ? strncmp(it->answer, "HTTP/1.1 200", 12) == 0 ? 1 : -1 : 0;
}

static int order(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void shorts(int at_once, double seconds) {
    struct connection *all = calloc((size_t)at_once, sizeof *all);
    struct epoll_event events[256];
    uint64_t start = now(), end = start + (uint64_t)(seconds * 1e6);
    for (int index = 0; index < at_once; index++) failed += !begin(&all[index]);
    while (now() < end) {
        int count = epoll_wait(queue, events, 256, 100);
        for (int index = 0; index < count; index++) {
            struct connection *it = events[index].data.ptr;
            int outcome = advance(it, events[index].events);
            if (outcome == 0) continue;
            if (outcome < 0) failed++;
            else if (done < most_latencies) latencies[done++] = (uint32_t)(now() - it->began);
            close(it->descriptor);
            it->descriptor = -1;
        }
        // A refused port or a full table frees itself; until then the others go on.
        for (int index = 0; index < at_once; index++) {
            if (all[index].descriptor < 0 && !begin(&all[index])) failed++;
        }
    }
    double took = (double)(now() - start) / 1e6;
    qsort(latencies, done, sizeof *latencies, order);
    printf("{\"done\": %lu, \"failed\": %lu, \"seconds\": %.6f, \"p50_us\": %u, \"p99_us\": %u}\n", done, failed, took,
           done ? latencies[done / 2] : 0, done ? latencies[done * 99 / 100] : 0);
}

static void hold(int count) {
    struct connection *all = calloc((size_t)count, sizeof *all);
    struct epoll_event events[256];
    int begun = 0;
    uint64_t end = now() + 60000000;
    while (done + failed < (uint64_t)count && now() < end) {
        while (begun < count && (uint64_t)begun < done + failed + 64) failed += !begin(&all[begun++]);
        int ready = epoll_wait(queue, events, 256, 100);
        for (int index = 0; index < ready; index++) {
            struct connection *it = events[index].data.ptr;
            int outcome = advance(it, events[index].events);
            if (outcome == 0) continue;
            if (outcome < 0) failed++;
            else done++;
            epoll_ctl(queue, EPOLL_CTL_DEL, it->descriptor, NULL);
        }
    }
    printf("{\"done\": %lu, \"failed\": %lu}\n", done, failed);
    fflush(stdout);
    char rest;
    while (read(0, &rest, 1) > 0) continue;
}

int main(int count, char **arguments) {
    if (count < 5) return fprintf(stderr, "usage: connections short ADDRESS PORT AT-ONCE SECONDS | hold ADDRESS PORT COUNT\n"), 2;
    target.sin_family = AF_INET;
    target.sin_port = htons((uint16_t)atoi(arguments[3]));
    if (inet_pton(AF_INET, arguments[2], &target.sin_addr) != 1) return fprintf(stderr, "no IPv4 address: %s\n", arguments[2]), 2;
    queue = epoll_create1(EPOLL_CLOEXEC);
    latencies = malloc(most_latencies * sizeof *latencies);
    if (strcmp(arguments[1], "short") == 0 && count == 6) shorts(atoi(arguments[4]), atof(arguments[5]));
    else if (strcmp(arguments[1], "hold") == 0) hold(atoi(arguments[4]));
    else return 2;
    return 0;
}
