/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Fibers: several backends in one thread, in virtual time.
 *
 * What the library asks of the system is answered here (the linker's --wrap): a wait lets another
 * fiber run; when all wait, time jumps to the first end of a wait. So a sleep of 10 ms costs
 * nothing, and "for ever" is seen: a wait that nobody ends lasts until the virtual time is up.
 * A fiber also changes at fault points, where it may hold locks.
 *
 * Signals are real, and go to this thread; one to anybody else would be a stranger's, and is noted.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/os.h"
#include "base/point.h"
#include "corrupt/corrupt.h"
#include "shm/segment.h"

#if defined(__SANITIZE_ADDRESS__)
#    include <sanitizer/common_interface_defs.h>
#    define SWITCH_BEGINS(fake, stack, bytes) __sanitizer_start_switch_fiber(fake, stack, bytes)
#    define SWITCH_ENDS(fake, stack, bytes)   __sanitizer_finish_switch_fiber(fake, stack, bytes)
#else
#    define SWITCH_BEGINS(fake, stack, bytes) ((void)(fake))
#    define SWITCH_ENDS(fake, stack, bytes)   ((void)(fake))
#endif

#define STACK_BYTES   ((size_t)256 * 1024)
#define FIBERS_MAX    8
#define SWITCH_ONE_IN 8 /* points at which another fiber runs */
#define START_NS      UINT64_C(1000000000)
#define TOO_LONG_NS   (START_NS + UINT64_C(60000000000))

struct fiber {
    ucontext_t context;
    void *stack;
    void *fake; /* AddressSanitizer's */
    void (*run)(void *argument);
    void *argument;
    bool done;
    const struct sv_atomic32 *word; /* it waits while *word == expected; NULL: it does not wait */
    uint32_t expected;
    uint64_t deadline_ns;
};

static struct {
    struct fiber fibers[FIBERS_MAX];
    uint32_t count;
    struct fiber *current; /* NULL: none runs */
    ucontext_t main;
    void *main_fake;
    const void *main_stack;
    size_t main_bytes;
    uint64_t now_ns;
    uint64_t hits;
    uint64_t die_at;
    struct random *random;
    void (*at_point)(uint64_t hit);
    const char *stranger;
} all;

const char *fibers_stranger(void)
{
    return all.stranger;
}

void fibers_die_at(uint64_t hit)
{
    all.hits = 0;
    all.die_at = hit;
}

/* ---- switching ------------------------------------------------------------------------------- */

static void to_main(struct fiber *from)
{
    all.current = NULL;
    SWITCH_BEGINS(from->done ? NULL : &from->fake, all.main_stack, all.main_bytes);
    (void)swapcontext(&from->context, &all.main);
    SWITCH_ENDS(from->fake, NULL, NULL);
}

static void to_fiber(struct fiber *fiber)
{
    all.current = fiber;
    SWITCH_BEGINS(&all.main_fake, fiber->stack, STACK_BYTES);
    (void)swapcontext(&all.main, &fiber->context);
    SWITCH_ENDS(all.main_fake, NULL, NULL);
}

static void enter(void)
{
    struct fiber *self = all.current;
    SWITCH_ENDS(NULL, &all.main_stack, &all.main_bytes);
    self->run(self->argument);
    self->done = true;
    to_main(self);
}

static void wait_while(const struct sv_atomic32 *word, uint32_t expected, uint64_t timeout_ns)
{
    struct fiber *self = all.current;
    self->word = word;
    self->expected = expected;
    self->deadline_ns = all.now_ns + timeout_ns;
    to_main(self);
    self->word = NULL;
}

static bool is_ready(const struct fiber *fiber)
{
    return !fiber->done && (fiber->word == NULL || sv_load_seq32(fiber->word) != fiber->expected ||
                            fiber->deadline_ns <= all.now_ns);
}

/* One of those that can go on, from a random place on; NULL: none can now. */
static struct fiber *some_ready(void)
{
    const uint32_t first = random_below(all.random, all.count);
    for (uint32_t i = 0; i < all.count; i++) {
        struct fiber *fiber = &all.fibers[(first + i) % all.count];
        if (is_ready(fiber)) {
            return fiber;
        }
    }
    return NULL;
}

/* Let time pass until somebody can go on. Returns: false if all are done. */
static bool let_time_pass(void)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < all.count; i++) {
        const struct fiber *fiber = &all.fibers[i];
        if (!fiber->done && fiber->deadline_ns < next_ns) {
            next_ns = fiber->deadline_ns;
        }
    }
    all.now_ns = next_ns > all.now_ns ? next_ns : all.now_ns;
    return next_ns != UINT64_MAX;
}

void fibers_say(const struct sv_segment *segment, char *text, size_t size)
{
    struct sv_allocation structure;
    size_t used = 0;
    for (uint32_t i = 0; i < all.count && used < size; i++) {
        const struct fiber *fiber = &all.fibers[i];
        const size_t at = (size_t)((const uint8_t *)fiber->word - (const uint8_t *)segment->base);
        uint32_t number = fiber->done || fiber->word == NULL ? UINT32_MAX : 0;
        while (
            number < sv_segment_allocation(segment, number, &structure) &&
            (at < structure.offset_bytes || at - structure.offset_bytes >= structure.size_bytes)) {
            number++;
        }
        if (number < sv_segment_allocation(segment, UINT32_MAX, &structure)) {
            (void)sv_segment_allocation(segment, number, &structure);
            used += (size_t)snprintf(text + used, size - used, "; %u for %s+%zu being %x", i,
                                     structure.name, at - structure.offset_bytes, fiber->expected);
        }
    }
}

static void start_fiber(struct fiber *fiber, void (*run)(void *argument), void *argument)
{
    fiber->run = run;
    fiber->argument = argument;
    fiber->done = false;
    fiber->word = NULL;
    fiber->fake = NULL;
    (void)getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, enter, 0);
}

static void make_stack(struct fiber *fiber)
{
    if (fiber->stack == NULL) {
        fiber->stack =
            mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fiber->stack == MAP_FAILED) {
            abort();
        }
    }
}

bool fibers_run(void (*const *runs)(void *argument), void *const *arguments, uint32_t count,
                struct random *random, void (*at_point)(uint64_t hit))
{
    all.count = count;
    all.random = random;
    all.at_point = at_point;
    all.now_ns = START_NS;
    all.hits = 0;
    for (uint32_t i = 0; i < count; i++) {
        make_stack(&all.fibers[i]);
        start_fiber(&all.fibers[i], runs[i], arguments[i]);
    }
    for (;;) {
        struct fiber *next = some_ready();
        if (next != NULL) {
            to_fiber(next);
        } else if (!let_time_pass()) {
            return true;
        }
        if (all.now_ns > TOO_LONG_NS) {
            return false;
        }
    }
}

/* ---- what the library asks for --------------------------------------------------------------- */

/* The linker's names. */
enum sv_point_answer wrap_point_hit(enum sv_point point) __asm__("__wrap_sv_point_hit");
uint64_t wrap_now_ns(void) __asm__("__wrap_sv_os_now_ns");
uint64_t real_now_ns(void) __asm__("__real_sv_os_now_ns");
bool wrap_wait(struct sv_atomic32 *word, uint32_t expected,
               uint64_t timeout_ns) __asm__("__wrap_sv_os_wait");
bool real_wait(struct sv_atomic32 *word, uint32_t expected,
               uint64_t timeout_ns) __asm__("__real_sv_os_wait");
void wrap_wake(struct sv_atomic32 *word, uint32_t count) __asm__("__wrap_sv_os_wake");
void real_wake(struct sv_atomic32 *word, uint32_t count) __asm__("__real_sv_os_wake");
int wrap_poll(struct sv_os_poll *poll, struct sv_atomic32 *word, uint32_t expected,
              int signal_number, uint64_t timeout_ns) __asm__("__wrap_sv_os_poll");
int real_poll(struct sv_os_poll *poll, struct sv_atomic32 *word, uint32_t expected,
              int signal_number, uint64_t timeout_ns) __asm__("__real_sv_os_poll");
int wrap_tgkill(pid_t pid, pid_t tid, int signal_number) __asm__("__wrap_tgkill");
int real_tgkill(pid_t pid, pid_t tid, int signal_number) __asm__("__real_tgkill");
long wrap_syscall(long number, ...) __asm__("__wrap_syscall");
long real_syscall(long number, ...) __asm__("__real_syscall");

enum sv_point_answer wrap_point_hit(enum sv_point point)
{
    (void)point;
    all.hits++;
    if (all.hits == all.die_at) {
        (void)kill(getpid(), SIGKILL);
    }
    if (all.current != NULL) {
        all.at_point(all.hits);
        if (random_below(all.random, SWITCH_ONE_IN) == 0) {
            to_main(all.current);
        }
    }
    return SV_POINT_PROCEED;
}

uint64_t wrap_now_ns(void)
{
    return all.current != NULL ? (all.now_ns += 100) : real_now_ns();
}

bool wrap_wait(struct sv_atomic32 *word, uint32_t expected, uint64_t timeout_ns)
{
    if (all.current == NULL) {
        return real_wait(word, expected, timeout_ns);
    }
    wait_while(word, expected, timeout_ns);
    return sv_load_seq32(word) == expected;
}

void wrap_wake(struct sv_atomic32 *word, uint32_t count)
{
    if (all.current == NULL) {
        real_wake(word, count);
    }
}

int wrap_poll(struct sv_os_poll *poll, struct sv_atomic32 *word, uint32_t expected,
              int signal_number, uint64_t timeout_ns)
{
    if (all.current == NULL) {
        return real_poll(poll, word, expected, signal_number, timeout_ns);
    }
    int result = real_poll(poll, word, expected, signal_number, 0);
    if (result == 0 && !poll->ready[0] && !poll->ready[1] && timeout_ns > 0) {
        wait_while(word, expected, timeout_ns);
        result = real_poll(poll, word, expected, signal_number, 0);
    }
    return result;
}

/* Note it, and do not send it: it would reach somebody who has nothing to do with us. */
static int refuse(const char *what)
{
    all.stranger = what;
    return 0;
}

/* To this process. */
int wrap_tgkill(pid_t pid, pid_t tid, int signal_number)
{
    if (signal_number != 0 && (signal_number != SIGUSR1 || pid != getpid() || tid != gettid())) {
        return refuse("another signal, or to another thread, than anybody asked for");
    }
    return real_tgkill(pid, tid, signal_number);
}

/* The process that a descriptor is of; 0: unknown. */
static pid_t process_of(int fd)
{
    char path[40];
    char line[80];
    long pid = 0;
    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    FILE *file = fopen(path, "re");
    while (file != NULL && pid == 0 && fgets(line, sizeof(line), file) != NULL) {
        pid = strncmp(line, "Pid:", 4) == 0 ? strtol(line + 4, NULL, 10) : 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return (pid_t)pid;
}

/* Does that process run the same program? One that has ended does not matter. */
static bool is_one_of_us(pid_t pid)
{
    char path[40];
    char theirs[512] = "";
    char own[512] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    return readlink(path, theirs, sizeof(theirs) - 1) <= 0 ||
           (readlink("/proc/self/exe", own, sizeof(own) - 1) > 0 && strcmp(own, theirs) == 0);
}

/* A signal to another process. */
static bool is_stranger(int fd, long signal_number)
{
    return all.current != NULL || (signal_number != SIGUSR1 && signal_number != SIGKILL) ||
           !is_one_of_us(process_of(fd));
}

long wrap_syscall(long number, ...)
{
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(arguments, long);
    }
    va_end(arguments);
    if (number == SYS_pidfd_send_signal && is_stranger((int)a[0], a[1])) {
        return refuse("a signal to another process");
    }
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
