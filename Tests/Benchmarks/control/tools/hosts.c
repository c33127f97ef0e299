// SPDX-License-Identifier: Apache-2.0
//
// Many hosts in one process, as a control plane sees them: each has its own certificate and connection, asks for everything of three types over
// delta xDS, and acknowledges what it gets. It holds nothing but where each host stands, so that what is measured is the control plane.
//
//   hosts ADDRESS PORT FOLDER COUNT       FOLDER has NAME-0.pem and .key, …, and roots.pem; it ends with its standard input
//
// Says on its standard output, with the seconds of CLOCK_MONOTONIC:
//
//   connected SECONDS              all TLS handshakes are done
//   synced SECONDS BYTES           every host was answered for every type and has acknowledged all of the first state
//   reached REVISION SECONDS       every host has acknowledged something of this revision of the store, or a newer one
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { types = 3, largest_message = 4 << 20, quiet_milliseconds = 200 };
static const char *const type_urls[types] = {
    "type.googleapis.com/istio.workload.Address",
    "type.googleapis.com/istio.security.Authorization",
    "type.googleapis.com/warren.workload.LocalWorkload",
};

struct buffer {
    uint8_t *bytes;
    size_t count, room;
};

struct host {
    int number, descriptor;
    SSL *tls;
    nghttp2_session *session;
    int32_t stream;
    bool handshaken;
    unsigned answered;
    uint64_t revision;
    // What came of a message, and what waits to be sent: as gRPC, and as HTTP/2.
    struct buffer in, requests, out;
    size_t sent;
    uint32_t interest;
};

static struct host *hosts;
static int host_count, poller, handshakes, answered_hosts;
static uint64_t reached, received;
static bool synced;
static double last_message;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const struct host *host, const char *what) {
    unsigned long error = ERR_peek_last_error();
    fprintf(stderr, "hosts: host %d: %s: %s\n", host ? host->number : -1, what, error ? ERR_error_string(error, NULL) : strerror(errno));
    exit(1);
}

static void append(struct buffer *buffer, const void *bytes, size_t count) {
    if (buffer->count + count > buffer->room) {
        buffer->room = (buffer->count + count) * 2;
        buffer->bytes = realloc(buffer->bytes, buffer->room);
        if (!buffer->bytes) abort();
    }
    memcpy(buffer->bytes + buffer->count, bytes, count);
    buffer->count += count;
}

static void drop(struct buffer *buffer, size_t count) {
    memmove(buffer->bytes, buffer->bytes + count, buffer->count - count);
    buffer->count -= count;
}

// --- protobuf

static void put_varint(struct buffer *buffer, uint64_t value) {
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
        value >>= 7;
    } while (value);
    append(buffer, bytes, count);
}

static void put_field(struct buffer *buffer, int number, const void *bytes, size_t count) {
    put_varint(buffer, number << 3 | 2);
    put_varint(buffer, count);
    append(buffer, bytes, count);
}

static void put_text(struct buffer *buffer, int number, const char *text) { put_field(buffer, number, text, strlen(text)); }

static uint64_t varint(const uint8_t **at, const uint8_t *end, const struct host *host) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    fail(host, "a number of a message is cut off");
    return 0;
}

static void send_request(struct host *host, struct buffer *message) {
    uint8_t head[5] = {0, message->count >> 24, message->count >> 16, message->count >> 8, message->count};
    append(&host->requests, head, 5);
    append(&host->requests, message->bytes, message->count);
    free(message->bytes);
    nghttp2_session_resume_data(host->session, host->stream);
}

static void ask(struct host *host, int type) {
    struct buffer node = {0}, message = {0};
    char name[32];
    snprintf(name, sizeof name, "node-%d", host->number);
    put_text(&node, 1, name);
    put_field(&message, 1, node.bytes, node.count);
    free(node.bytes);
    put_text(&message, 2, type_urls[type]);
    send_request(host, &message);
}

/// After a first state, one line when nothing has come for a moment: a state has many parts.
static void note_synced(void) {
    if (synced || answered_hosts < host_count || now() - last_message < quiet_milliseconds / 1e3) return;
    synced = true;
    printf("synced %.6f %llu\n", last_message, (unsigned long long)received);
}

static void note_revision(struct host *host, uint64_t revision) {
    bool was_least = host->revision == reached;
    if (revision > host->revision) host->revision = revision;
    if (!was_least) return;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < host_count; i++) if (hosts[i].revision < least) least = hosts[i].revision;
    if (least <= reached) return;
    reached = least;
    printf("reached %llu %.6f\n", (unsigned long long)reached, now());
}

static void take_message(struct host *host, const uint8_t *at, const uint8_t *end) {
    char url[128] = "", version[128] = "", nonce[64] = "";
    while (at < end) {
        uint64_t key = varint(&at, end, host), length = varint(&at, end, host);
        if ((key & 7) != 2 || length > (uint64_t)(end - at)) fail(host, "this is no discovery response");
        char *text = key >> 3 == 1 ? version : key >> 3 == 4 ? url : key >> 3 == 5 ? nonce : NULL;
        size_t room = text == nonce ? sizeof nonce : sizeof url;
        if (text && length < room) { memcpy(text, at, length); text[length] = 0; }
        at += length;
    }
    for (int type = 0; type < types; type++) {
        if (strcmp(url, type_urls[type])) continue;
        if (!(host->answered >> type & 1)) {
            host->answered |= 1u << type;
            if (host->answered == (1u << types) - 1) answered_hosts++;
        }
        struct buffer message = {0};
        put_text(&message, 2, url);
        put_text(&message, 6, nonce);
        send_request(host, &message);
        last_message = now();
        const char *slash = strrchr(version, '/');
        if (slash) note_revision(host, strtoull(slash + 1, NULL, 10));
        return;
    }
    fail(host, "a response of a type that nobody asked for");
}

// --- HTTP/2

static ssize_t read_requests(
    nghttp2_session *session, int32_t stream, uint8_t *bytes, size_t room, uint32_t *flags, nghttp2_data_source *source, void *context) {
    struct host *host = source->ptr;
    if (!host->requests.count) return NGHTTP2_ERR_DEFERRED;
    size_t count = host->requests.count < room ? host->requests.count : room;
    memcpy(bytes, host->requests.bytes, count);
    drop(&host->requests, count);
    return count;
}

static int data_received(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t count, void *context) {
    struct host *host = context;
    append(&host->in, bytes, count);
    received += count;
    size_t start = 0;
    while (host->in.count - start >= 5) {
        const uint8_t *head = host->in.bytes + start;
        size_t length = (size_t)head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4];
        if (head[0] || length > largest_message) fail(host, "this is no gRPC message");
        if (host->in.count - start < 5 + length) break;
        take_message(host, head + 5, head + 5 + length);
        start += 5 + length;
    }
    drop(&host->in, start);
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t stream, uint32_t error, void *context) {
    fail(context, "its call has ended");
    return 0;
}

static void begin(struct host *host) {
    static nghttp2_session_callbacks *callbacks;
    if (!callbacks) {
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_received);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    }
    nghttp2_session_client_new(&host->session, callbacks, host);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}, {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(host->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(host->session, NGHTTP2_FLAG_NONE, 0, 1 << 20);
#define HEADER(name, value) {(uint8_t *)name, (uint8_t *)value, sizeof name - 1, sizeof value - 1, NGHTTP2_NV_FLAG_NONE}
    nghttp2_nv headers[] = {
        HEADER(":method", "POST"), HEADER(":scheme", "https"), HEADER(":authority", "localhost"),
        HEADER(":path", "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"),
        HEADER("content-type", "application/grpc"), HEADER("te", "trailers"),
    };
    nghttp2_data_provider provider = {.source.ptr = host, .read_callback = read_requests};
    host->stream = nghttp2_submit_request(host->session, NULL, headers, sizeof headers / sizeof *headers, &provider, NULL);
    if (host->stream < 0) fail(host, nghttp2_strerror(host->stream));
    for (int type = 0; type < types; type++) ask(host, type);
}

// --- the connection

static void watch(struct host *host, uint32_t interest) {
    if (host->interest == interest) return;
    struct epoll_event event = {.events = interest, .data.ptr = host};
    if (epoll_ctl(poller, host->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, host->descriptor, &event)) fail(host, "epoll_ctl");
    host->interest = interest;
}

static void flush(struct host *host) {
    while (true) {
        if (host->sent == host->out.count) {
            const uint8_t *bytes;
            host->sent = host->out.count = 0;
            ssize_t count;
            while ((count = nghttp2_session_mem_send(host->session, &bytes)) > 0) append(&host->out, bytes, count);
            if (count < 0) fail(host, nghttp2_strerror(count));
            if (!host->out.count) return watch(host, EPOLLIN);
        }
        int written = SSL_write(host->tls, host->out.bytes + host->sent, host->out.count - host->sent);
        if (written <= 0) {
            if (SSL_get_error(host->tls, written) != SSL_ERROR_WANT_WRITE) fail(host, "sending");
            return watch(host, EPOLLIN | EPOLLOUT);
        }
        host->sent += written;
    }
}

static void ready(struct host *host) {
    static uint8_t bytes[256 << 10];
    if (!host->handshaken) {
        int outcome = SSL_do_handshake(host->tls);
        if (outcome != 1) {
            int error = SSL_get_error(host->tls, outcome);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) fail(host, "the TLS handshake");
            return watch(host, error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
        }
        host->handshaken = true;
        if (++handshakes == host_count) printf("connected %.6f\n", now());
        begin(host);
    }
    // A turn for each: nobody's megabytes make the others wait.
    for (int turn = 0; turn < 8; turn++) {
        int count = SSL_read(host->tls, bytes, sizeof bytes);
        if (count <= 0) {
            int error = SSL_get_error(host->tls, count);
            if (error != SSL_ERROR_WANT_READ) fail(host, "the connection has ended");
            break;
        }
        ssize_t taken = nghttp2_session_mem_recv(host->session, bytes, count);
        if (taken < 0) fail(host, nghttp2_strerror(taken));
    }
    flush(host);
}

static void dial(struct host *host, const char *folder, const struct sockaddr_in *target) {
    char path[512];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    snprintf(path, sizeof path, "%s/roots.pem", folder);
    if (SSL_CTX_load_verify_locations(context, path, NULL) != 1) fail(host, path);
    snprintf(path, sizeof path, "%s/node-%d.pem", folder, host->number);
    if (SSL_CTX_use_certificate_chain_file(context, path) != 1) fail(host, path);
    snprintf(path, sizeof path, "%s/node-%d.key", folder, host->number);
    if (SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) != 1) fail(host, path);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
    host->tls = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set1_host(host->tls, "localhost");
    host->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (host->descriptor < 0) fail(host, "socket");
    int one = 1;
    setsockopt(host->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(host->descriptor, (const struct sockaddr *)target, sizeof *target) && errno != EINPROGRESS) fail(host, "connect");
    SSL_set_fd(host->tls, host->descriptor);
    SSL_set_connect_state(host->tls);
    watch(host, EPOLLOUT);
}

int main(int count, char **words) {
    if (count != 5) { fprintf(stderr, "usage: hosts ADDRESS PORT FOLDER COUNT\n"); return 64; }
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    if (inet_pton(AF_INET, words[1], &target.sin_addr) != 1) { fprintf(stderr, "no address: %s\n", words[1]); return 64; }
    setvbuf(stdout, NULL, _IOLBF, 0);
    host_count = atoi(words[4]);
    hosts = calloc(host_count, sizeof *hosts);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!hosts || poller < 0) fail(NULL, "beginning");
    for (int i = 0; i < host_count; i++) {
        hosts[i].number = i;
        dial(&hosts[i], words[3], &target);
    }
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL}, events[64];
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &input)) fail(NULL, "watching the standard input");
    while (true) {
        int found = epoll_wait(poller, events, 64, synced ? -1 : quiet_milliseconds / 4);
        if (found < 0 && errno != EINTR) fail(NULL, "epoll_wait");
        for (int i = 0; i < found; i++) {
            if (events[i].data.ptr) { ready(events[i].data.ptr); continue; }
            char byte;
            if (read(0, &byte, 1) <= 0) return 0;
        }
        note_synced();
    }
}
