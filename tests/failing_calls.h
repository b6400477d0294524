/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A process whose N-th system call fails, whatever it is.
 *
 *     child:  ...; failing_calls_begin(); result = what_calls(); failing_calls_end(); ...
 *     test:   struct call_failure failure = {.nth = 3, .error = EMFILE};
 *             status = failing_calls_run(pid, &failure);
 *             failure.met says whether there was a third call, failure.number which it was
 *
 * The test traces the child and answers in the kernel's place: the call is not made, and its caller
 * is told the error. So there is no list of calls to keep, and what is tested is the library as it
 * is. Three kinds of calls are treated in another way (failing_call_kind): those that cannot fail,
 * those that report an error of what they have done all the same, and marks of the test's own.
 *
 * Only that thread is traced, not what it forks. Where nobody may trace, or on another processor,
 * FAILING_CALLS_SKIP skips the test and says why.
 */
#ifndef SINVAL_TESTS_FAILING_CALLS_H
#define SINVAL_TESTS_FAILING_CALLS_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "support.h"

/* The system call itself: the library's function wants pointers where numbers are meant. */
static inline long call_ptrace(int request, pid_t child, uintptr_t address, uintptr_t data)
{
    return syscall(SYS_ptrace, (long)request, (long)child, address, data);
}

struct call_failure {
    uint32_t nth;      /* which call fails; 0: none */
    int error;         /* with what */
    bool from_then_on; /* and so does every later call of that number, but for locks on files */
    bool met;          /* out: it did */
    long number;       /* out: the system call's */
};

#define FAILING_CALLS_END 0x5356L /* a system call that does not exist */

/* In the child: the calls from here on are counted. */
static inline void failing_calls_begin(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0) {
        _exit(124);
    }
}

/* In the child: up to here. */
static inline void failing_calls_end(void)
{
    (void)syscall(FAILING_CALLS_END);
}

enum failing_call_kind {
    CALL_FAILS,  /* it is not made */
    CALL_DONE,   /* made, and then an error reported: close never gives its descriptor back */
    CALL_CANNOT, /* has no such error that a right caller could meet */
};

/* Calls that wait, or may do so in some file system. */
static inline bool failing_call_waits(long number)
{
    switch (number) {
    case SYS_close:
    case SYS_fallocate:
    case SYS_fcntl:
    case SYS_flock:
    case SYS_ftruncate:
    case SYS_futex:
    case SYS_open:
    case SYS_openat:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_read:
    case SYS_write:
    case SYS_wait4:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
        return true;
    default:
        return false;
    }
}

static inline enum failing_call_kind failing_call_kind(long number, int error)
{
    switch (number) {
    case SYS_close:
        return error == EINTR || error == EIO || error == ENOSPC ? CALL_DONE : CALL_CANNOT;
    case SYS_wait4: /* for one's own child */
        return error == EINTR ? CALL_FAILS : CALL_CANNOT;
    case SYS_kill:   /* one's own child */
    case SYS_munmap: /* a whole mapping: nothing could be done about it */
    case SYS_brk:    /* has no errno; malloc then asks for a mapping, which can fail */
    case SYS_exit:
    case SYS_exit_group:
    case SYS_restart_syscall:
    case SYS_rt_sigprocmask:
    case SYS_rt_sigreturn:
    case SYS_sched_yield:
    case SYS_getpid:
    case SYS_gettid:
    case SYS_getppid:
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_clock_gettime:
    case SYS_sysinfo:
        return CALL_CANNOT;
#if defined(__SANITIZE_ADDRESS__)
    case SYS_mmap: /* also the sanitizer's own, which ends the process */
    case SYS_mprotect:
    case SYS_madvise:
        return CALL_CANNOT;
#endif
    default:
        return error != EINTR || failing_call_waits(number) ? CALL_FAILS : CALL_CANNOT;
    }
}

#if defined(__x86_64__)
#    define FAILING_CALLS_WORK 1

static inline void failing_calls_poke(pid_t child, size_t offset, long value)
{
    cr_assert_eq(call_ptrace(PTRACE_POKEUSER, child, offset, (uintptr_t)value), 0, "%s",
                 strerror(errno));
}

static inline void failing_calls_deny(pid_t child)
{
    failing_calls_poke(child, offsetof(struct user_regs_struct, orig_rax), -1);
}

static inline void failing_calls_answer(pid_t child, int error)
{
    failing_calls_poke(child, offsetof(struct user_regs_struct, rax), -(long)error);
}
#else
#    define FAILING_CALLS_WORK 0

static inline void failing_calls_deny(pid_t child)
{
    (void)child;
}

static inline void failing_calls_answer(pid_t child, int error)
{
    (void)child;
    (void)error;
}
#endif

/* Where a trace is. */
struct failing_trace {
    struct call_failure *failure;
    uint32_t calls;
    bool answer; /* the call that is under way is to report the error */
    bool over;
};

static inline void failing_calls_enter(struct failing_trace *trace, pid_t child, long number)
{
    struct call_failure *failure = trace->failure;
    if (number == FAILING_CALLS_END) {
        trace->over = true;
        return;
    }
    const enum failing_call_kind kind = failing_call_kind(number, failure->error);
    if (kind == CALL_CANNOT) {
        return;
    }
    trace->calls++;
    if (trace->calls == failure->nth) {
        failure->met = true;
        failure->number = number;
    } else if (!failure->from_then_on || !failure->met || number != failure->number ||
               number == SYS_fcntl) {
        return;
    }
    trace->answer = true;
    if (kind == CALL_FAILS) {
        failing_calls_deny(child);
    }
}

/* Giving a lock on a file back cannot fail, getting one can. */
static inline bool failing_calls_unlocks(pid_t child, long number, const uint64_t *arguments)
{
    if (number != SYS_fcntl || (arguments[1] != F_SETLK && arguments[1] != F_SETLKW)) {
        return false;
    }
    long word = 0;
    cr_assert_eq(call_ptrace(PTRACE_PEEKDATA, child, arguments[2], (uintptr_t)&word), 0);
    struct flock lock = {0};
    memcpy(&lock, &word, sizeof(lock.l_type));
    return lock.l_type == F_UNLCK;
}

/* One stop of the child: at a system call's entry or exit. */
static inline void failing_calls_look(struct failing_trace *trace, pid_t child)
{
    struct __ptrace_syscall_info info;
    cr_assert_gt(call_ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), (uintptr_t)&info), 0,
                 "%s", strerror(errno));
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        if (!failing_calls_unlocks(child, (long)info.entry.nr, info.entry.args)) {
            failing_calls_enter(trace, child, (long)info.entry.nr);
        }
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && trace->answer) {
        failing_calls_answer(child, trace->failure->error);
        trace->answer = false;
    }
}

/* Let the child run to its end with that failure. Returns: its wait status. */
static inline int failing_calls_run(pid_t child, struct call_failure *failure)
{
    struct failing_trace trace = {.failure = failure};
    int status = 0;
    uintptr_t deliver = 0;
    failure->met = false;
    cr_assert_eq(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status)) {
        return status;
    }
    cr_assert_eq(
        call_ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD), 0);
    while (!trace.over) {
        cr_assert_eq(call_ptrace(PTRACE_SYSCALL, child, 0, deliver), 0, "%s", strerror(errno));
        cr_assert_eq(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status)) {
            return status;
        }
        deliver = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : (uintptr_t)WSTOPSIG(status);
        if (deliver == 0) {
            failing_calls_look(&trace, child);
        }
    }
    cr_assert_eq(call_ptrace(PTRACE_DETACH, child, 0, 0), 0, "%s", strerror(errno));
    return reap(child);
}

/* ---- may it be done here? ------------------------------------------------------------------- */

static inline int failing_calls_probe(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    failing_calls_begin();
    const bool denied = dup(STDERR_FILENO) < 0 && errno == EMFILE;
    failing_calls_end();
    return denied ? 0 : 1;
}

static inline bool failing_calls_work(void)
{
    struct call_failure failure = {.nth = 1, .error = EMFILE};
    return FAILING_CALLS_WORK &&
           failing_calls_run(fork_child(failing_calls_probe, NULL, NULL), &failure) == 0;
}

#define FAILING_CALLS_SKIP()                                          \
    if (!failing_calls_work()) {                                      \
        cr_skip("tracing is not allowed, or not for this processor"); \
    }

#endif
