// SPDX-License-Identifier: Apache-2.0
//
// Tells ThreadSanitizer of Swift's Mutex, linked into what Tests/sanitizers.sh builds. A lock that nobody holds is taken by an atomic operation in
// our own code, which is instrumented. One that is held is waited for in the runtime's library, which isn't: what the holder wrote before would then
// look like a race. These two stand before the library's own. Their names and their calling convention are Swift's ABI
// (swift/stdlib/public/Synchronization/Mutex).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

#define SELF __attribute__((swift_context)) void *mutex

typedef __attribute__((swiftcall)) void lock_function(uint32_t thread, SELF);
typedef __attribute__((swiftcall)) void unlock_function(SELF);

extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);

static lock_function *lock;
static unlock_function *unlock;

__attribute__((constructor)) static void find(void) {
    lock = (lock_function *)dlsym(RTLD_NEXT, LOCK);
    unlock = (unlock_function *)dlsym(RTLD_NEXT, UNLOCK);
    if (!lock || !unlock) abort();
}

lock_function lock_slow __asm__(LOCK);
unlock_function unlock_slow __asm__(UNLOCK);

__attribute__((swiftcall)) void lock_slow(uint32_t thread, SELF) {
    lock(thread, mutex);
    __tsan_acquire(mutex);
}

__attribute__((swiftcall)) void unlock_slow(SELF) {
    __tsan_release(mutex);
    unlock(mutex);
}
