// SPDX-License-Identifier: Apache-2.0
//
// Counts what a program asks of malloc, for Tests/Budgets, which preloads it into the release programs: no program of ours is built differently to be
// counted. The counters lie in the file that WARREN_ALLOCATIONS names, so that they can be read while the program runs; without it nothing
// is counted. Threads are told apart by their names: the loops, the log's, and the rest.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

enum { LOOPS, LOG, REST, KINDS };

// As Tests/Budgets/Counts.swift reads it.
struct counters {
    // Calls that gave memory, by kind of thread.
    atomic_ullong allocations[KINDS];
    // What is allocated now, as the allocator rounds it, whoever did it.
    atomic_llong bytes;
};

static struct counters before_start;
static struct counters *counters = &before_start;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("WARREN_ALLOCATIONS");
    int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0 || ftruncate(file, sizeof(struct counters)) != 0) return;
    void *shared = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared != MAP_FAILED) counters = shared;
}

// A thread has its name soon after its start: until then it is looked at again.
static __thread __attribute__((tls_model("initial-exec"))) int kind = REST;
static __thread __attribute__((tls_model("initial-exec"))) int looks;

static void count(void *memory) {
    if (!memory) return;
    if (looks < 64 && kind == REST) {
        char name[16] = "";
        looks++;
        prctl(PR_GET_NAME, name, 0, 0, 0);
        if (!strncmp(name, "loop-", 5)) kind = LOOPS;
        if (!strcmp(name, "log")) kind = LOG;
    }
    atomic_fetch_add_explicit(&counters->allocations[kind], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->bytes, (long long)malloc_usable_size(memory), memory_order_relaxed);
}

static void forget(void *memory) {
    if (memory) atomic_fetch_sub_explicit(&counters->bytes, (long long)malloc_usable_size(memory), memory_order_relaxed);
}

void *malloc(size_t size) {
    void *memory = __libc_malloc(size);
    count(memory);
    return memory;
}

void *calloc(size_t number, size_t size) {
    void *memory = __libc_calloc(number, size);
    count(memory);
    return memory;
}

void *realloc(void *old, size_t size) {
    size_t had = old ? malloc_usable_size(old) : 0;
    void *memory = __libc_realloc(old, size);
    if (memory || size == 0) atomic_fetch_sub_explicit(&counters->bytes, (long long)had, memory_order_relaxed);
    count(memory);
    return memory;
}

void free(void *memory) {
    forget(memory);
    __libc_free(memory);
}

void *memalign(size_t alignment, size_t size) {
    void *memory = __libc_memalign(alignment, size);
    count(memory);
    return memory;
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **place, size_t alignment, size_t size) {
    void *memory = memalign(alignment, size);
    if (!memory) return ENOMEM;
    *place = memory;
    return 0;
}
