// SPDX-License-Identifier: Apache-2.0
//
// A small request at a steady pace, and how long its answer took: what a resync does to traffic is seen by who doesn't push.
//
//   pulse serve PORT                     answers each connection's 64 bytes with the same 64 bytes
//   pulse ask ADDRESS PORT MICROSECONDS  asks so often over one kept connection; "SECONDS MICROSECONDS" per answer, until its input ends
//
// A request is timed from its sending: how late the machine woke us up is nobody's latency.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { size = 64 };

static void fail(const char *what) {
    fprintf(stderr, "pulse: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void take(int descriptor, char *bytes) {
    for (size_t have = 0; have < size;) {
        ssize_t got = recv(descriptor, bytes + have, size - have, 0);
        if (got <= 0) fail("the connection has ended");
        have += got;
    }
}

_Noreturn static void serve(int port) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, 64)) fail("listening");
    while (1) {
        int descriptor = accept(listener, NULL, NULL);
        if (descriptor < 0) fail("accept");
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fork() == 0) {
            char bytes[size];
            while (1) {
                take(descriptor, bytes);
                if (send(descriptor, bytes, size, MSG_NOSIGNAL) != size) fail("send");
            }
        }
        close(descriptor);
    }
}

int main(int count, char **words) {
    if (count == 3 && !strcmp(words[1], "serve")) serve(atoi(words[2]));
    if (count != 5 || strcmp(words[1], "ask")) { fprintf(stderr, "usage: pulse serve PORT | ask ADDRESS PORT MICROSECONDS\n"); return 64; }
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(atoi(words[3]))};
    if (inet_pton(AF_INET, words[2], &target.sin_addr) != 1) { fprintf(stderr, "no address: %s\n", words[2]); return 64; }
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&target, sizeof target)) fail("connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char bytes[size] = {0};
    double pace = atof(words[4]) / 1e6, due = now() + pace;
    for (struct pollfd input = {.fd = 0, .events = POLLIN}; poll(&input, 1, 0) == 0;) {
        double pause = due - now();
        if (pause > 0) {
            struct timespec rest = {.tv_nsec = pause * 1e9};
            nanosleep(&rest, NULL);
        }
        double begun = now();
        if (send(descriptor, bytes, size, MSG_NOSIGNAL) != size) fail("send");
        take(descriptor, bytes);
        double end = now();
        printf("%.6f %.1f\n", end, (end - begun) * 1e6);
        due = end > due + pace ? end : due + pace;
    }
    return 0;
}
