// SPDX-License-Identifier: Apache-2.0
//
// What a program of ours says when it dies of a fault: who, which signal, which thread, which build, and the stack as offsets into modules.
// C and not Swift, because a signal handler may neither allocate nor take a lock, and Swift promises that of no function
// (docs/decisions/0011). Everything that can be known before is looked up by clinux_install_crash_report; the handler formats into its own stack
// and calls write(2). It tells no register and no memory: keys could be among them.
#define _GNU_SOURCE
#include "CLinux.h"

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

// A recursion without end has as many frames as fit on its stack; the innermost tell.
enum { MOST_FRAMES = 64, MOST_MODULES = 48, NAME_SIZE = 48 };

// Room for the kernel's frame with all vector registers (AMX: 11 KiB) and for the unwinder. Only what is touched costs memory.
enum { STACK_SIZE = 64 * 1024, GUARD_SIZE = 64 * 1024 };

// A report that hangs, because standard error takes nothing or the stack is a ring, must not keep the service away.
static const struct itimerval deadline = {{0, 0}, {0, 300 * 1000}};

struct module {
    uintptr_t base, low, high;
    char name[NAME_SIZE];
};

// Written once at the start, before other threads exist. Libraries that are loaded later are shown by plain addresses.
static struct module modules[MOST_MODULES];
static int module_count;
static char program[NAME_SIZE], version[NAME_SIZE], build_id[2 * 20 + 1] = "none";
static atomic_int reporter;

// One line of the report, which leaves with one write: other threads log to the same descriptor.
struct line {
    size_t length;
    char bytes[320];
};

static void add(struct line *line, const char *text) {
    while (*text && line->length < sizeof line->bytes - 1) line->bytes[line->length++] = *text++;
}

static void add_number(struct line *line, uintptr_t number, unsigned base) {
    char digits[24];
    int at = sizeof digits;
    digits[--at] = 0;
    do digits[--at] = "0123456789abcdef"[number % base];
    while (number /= base);
    if (base == 16) add(line, "0x");
    add(line, digits + at);
}

static void begin(struct line *line) {
    line->length = 0;
    add(line, program);
    add(line, ": crash: ");
}

static void end(struct line *line, int descriptor) {
    line->bytes[line->length++] = '\n';
    // What can't be written is lost: there is nowhere else to say so.
    if (write(descriptor, line->bytes, line->length) < 0) return;
}

static const char *signal_name(int number) {
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGFPE: return "SIGFPE";
    case SIGABRT: return "SIGABRT";
    default: return "signal";
    }
}

static uintptr_t interrupted(const ucontext_t *context) {
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
#error "say where this processor's context keeps the program counter"
#endif
}

static void add_place(struct line *line, uintptr_t address) {
    for (int index = 0; index < module_count; index++)
        if (address >= modules[index].low && address < modules[index].high) {
            add(line, modules[index].name);
            add(line, "+");
            add_number(line, address - modules[index].base, 16);
            return;
        }
    add_number(line, address, 16);
}

struct walk {
    // Frames before this address are the handler's own; 0 once it was met.
    uintptr_t first;
    int count, descriptor;
};

static void tell_frame(struct walk *walk, uintptr_t address) {
    struct line line;
    begin(&line);
    add(&line, "#");
    add_number(&line, (uintptr_t)walk->count++, 10);
    add(&line, " ");
    add_place(&line, address);
    end(&line, walk->descriptor);
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument) {
    struct walk *walk = argument;
    int before_instruction = 0;
    uintptr_t address = (uintptr_t)_Unwind_GetIPInfo(context, &before_instruction);
    if (walk->first) {
        // The caller has told this frame already, from what the kernel saved.
        if (address == walk->first) walk->first = 0;
        return _URC_NO_REASON;
    }
    if (address == 0 || walk->count >= MOST_FRAMES) return _URC_END_OF_STACK;
    // A return address lies behind its call, maybe in another line or function.
    tell_frame(walk, before_instruction ? address : address - 1);
    return _URC_NO_REASON;
}

// Each line leaves at once: should the stack be broken, the fault that reading it causes ends the process, and what was found is told.
static void report(int number, const siginfo_t *information, uintptr_t place, int descriptor) {
    struct line line;
    char thread[17] = "";
    prctl(PR_GET_NAME, thread, 0, 0, 0);
    begin(&line);
    add(&line, program);
    add(&line, " ");
    add(&line, version);
    add(&line, ", ");
    add(&line, signal_name(number));
    if (information->si_code > 0) {
        add(&line, number == SIGABRT ? "" : " at ");
        if (number != SIGABRT) add_number(&line, (uintptr_t)information->si_addr, 16);
    } else {
        add(&line, " sent by process ");
        add_number(&line, (uintptr_t)information->si_pid, 10);
    }
    add(&line, ", thread ");
    add(&line, thread);
    add(&line, ", build-id ");
    add(&line, build_id);
    end(&line, descriptor);

    struct walk walk = {place, 0, descriptor};
    tell_frame(&walk, place);
    _Unwind_Backtrace(visit, &walk);

    begin(&line);
    add(&line, "end; deploy/symbolize.sh names the functions");
    end(&line, descriptor);
}

static void handle(int number, siginfo_t *information, void *context) {
    int none = 0, self = clinux_thread_id();
    // The first thread to fault tells and ends the process; others wait for that.
    if (!atomic_compare_exchange_strong(&reporter, &none, self))
        for (;;) pause();
    setitimer(ITIMER_REAL, &deadline, NULL);
    report(number, information, interrupted(context), STDERR_FILENO);

    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(number, &standard, NULL);
    syscall(SYS_tgkill, getpid(), self, number);
    sigset_t every;
    sigfillset(&every);
    sigprocmask(SIG_UNBLOCK, &every, NULL);
    _exit(128 + number);
}

static void copy_name(char to[NAME_SIZE], const char *from) {
    strncpy(to, from, NAME_SIZE - 1);
}

static void read_build_id(const char *note, size_t size) {
    while (size >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *header = (const void *)note;
        size_t name = (header->n_namesz + 3) & ~3u, whole = sizeof *header + name + ((header->n_descsz + 3) & ~3u);
        if (whole > size) return;
        const unsigned char *bytes = (const unsigned char *)note + sizeof *header + name;
        if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 && !memcmp(header + 1, "GNU", 4)) {
            for (size_t at = 0; at < header->n_descsz && at < 20; at++) {
                build_id[2 * at] = "0123456789abcdef"[bytes[at] >> 4];
                build_id[2 * at + 1] = "0123456789abcdef"[bytes[at] & 15];
                build_id[2 * at + 2] = 0;
            }
            return;
        }
        note += whole;
        size -= whole;
    }
}

static int note_module(struct dl_phdr_info *information, size_t size, void *argument) {
    (void)size, (void)argument;
    if (module_count == MOST_MODULES) return 1;
    struct module *module = &modules[module_count];
    const char *slash = strrchr(information->dlpi_name, '/');
    // The first module is the program, which has no name here.
    copy_name(module->name, module_count == 0 ? program : slash ? slash + 1 : information->dlpi_name);
    module->base = information->dlpi_addr;
    module->low = UINTPTR_MAX;
    for (int index = 0; index < information->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &information->dlpi_phdr[index];
        uintptr_t low = information->dlpi_addr + part->p_vaddr, high = low + part->p_memsz;
        if (part->p_type == PT_LOAD && low < module->low) module->low = low;
        if (part->p_type == PT_LOAD && high > module->high) module->high = high;
        if (part->p_type == PT_NOTE && module_count == 0) read_build_id((const char *)low, part->p_memsz);
    }
    module_count++;
    return 0;
}

int clinux_install_crash_report(const char *name, const char *number) {
    copy_name(program, name);
    copy_name(version, number);
    module_count = 0;
    dl_iterate_phdr(note_module, NULL);
    // Rehearse, into nothing: the loader binds what is called, and the unwinder allocates what it keeps, now and not in the handler.
    siginfo_t nothing = {0};
    report(SIGSEGV, &nothing, (uintptr_t)__builtin_return_address(0), -1);

    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT};
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    // A second fault while the first is told: the kernel ends the process, since the signal is blocked.
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGALRM);
    for (size_t index = 0; index < sizeof faults / sizeof *faults; index++)
        if (sigaction(faults[index], &action, NULL) != 0) return -1;
    return 0;
}

void *clinux_make_alternate_stack(void) {
    char *memory = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    stack_t stack = {.ss_sp = memory + GUARD_SIZE, .ss_size = STACK_SIZE};
    if (mprotect(stack.ss_sp, STACK_SIZE, PROT_READ | PROT_WRITE) == 0 && sigaltstack(&stack, NULL) == 0) return memory;
    munmap(memory, GUARD_SIZE + STACK_SIZE);
    return NULL;
}

void clinux_drop_alternate_stack(void *memory) {
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    munmap(memory, GUARD_SIZE + STACK_SIZE);
}
