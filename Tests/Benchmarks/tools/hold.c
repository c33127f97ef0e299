// SPDX-License-Identifier: Apache-2.0
//
// Idle connections: opens them one after the other, makes one request on each so that it stands from end to end, says `held N`, and
// keeps them open and silent until its standard input ends.
//
//   hold ADDRESS PORT COUNT
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char end_of_answer[] = "benchmark\n";
static const char request[] = "GET / HTTP/1.1\r\nHost: benchmark\r\n\r\n";

static void fail(const char *what, int at) {
    fprintf(stderr, "hold: connection %d: %s: %s\n", at, what, strerror(errno));
    exit(1);
}

int main(int count, char **words) {
    if (count != 4) { fprintf(stderr, "usage: hold ADDRESS PORT COUNT\n"); return 64; }
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    if (inet_pton(AF_INET, words[1], &target.sin_addr) != 1) { fprintf(stderr, "no address: %s\n", words[1]); return 64; }
    int wanted = atoi(words[3]);
    for (int i = 0; i < wanted; i++) {
        int descriptor = socket(AF_INET, SOCK_STREAM, 0);
        if (descriptor < 0) fail("socket", i);
        if (connect(descriptor, (struct sockaddr *)&target, sizeof target)) fail("connect", i);
        if (send(descriptor, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1) fail("send", i);
        char answer[1024];
        size_t have = 0, tail = sizeof end_of_answer - 1;
        while (have < tail || memcmp(answer + have - tail, end_of_answer, tail)) {
            errno = 0;
            ssize_t got = recv(descriptor, answer + have, sizeof answer - have, 0);
            if (got <= 0) fail("no answer", i);
            have += got;
        }
    }
    printf("held %d\n", wanted);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
