/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Stepping, and getting there faster.
 *
 * A single step costs two switches between processes, so stepping to k for every k would cost the
 * square of the operation's length. Instead a hardware breakpoint is set on an instruction at or a
 * little before k, chosen for being met rarely; the process runs until it has met it as often as
 * the trace says, and is single-stepped from there. At the end its address is compared. Who is
 * somewhere else (a clock was read twice, a page came late) is stepped again from the beginning
 * by its caller, and is in any case where k instructions have brought it.
 *
 * What is not counted on for a breakpoint: an instruction that repeats itself (rep movs), which is
 * one step for each time but one breakpoint for all.
 *
 * x86-64 only: debug registers, and int3 as the mark at both ends.
 */
#include "tests/sweep/trace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "tests/sweep/access.h"
#include "tests/sweep/world.h"

#define ASLEEP_NS UINT64_C(2000000)

enum { LOOK_BACK = 10000, STEPS_MAX = 4000000 };

void __attribute__((noinline)) sweep_begins(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(4);
    }
    __asm__ volatile("int3" ::: "memory");
}

void __attribute__((noinline)) sweep_over(void)
{
    __asm__ volatile("" ::: "memory");
}

void trace_free(struct trace *trace)
{
    free(trace->at);
    free(trace->hit);
    free(trace->touches);
    *trace = (struct trace){0};
}

/* ---- the tracer's side --------------------------------------------------------------------- */

/*
 * Wait for its next stop; what is to be delivered to it is delivered. Returns: 0; -ECHILD: ended.
 */
static int wait_for_stop(pid_t pid, int *signal_number)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
        return -ECHILD;
    }
    *signal_number = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    return 0;
}

int trace_where(pid_t pid, uint64_t *at)
{
    errno = 0;
    *at = (uint64_t)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL);
    return errno != 0 ? -errno : 0;
}

int trace_step(pid_t pid)
{
    int signal_number = 0;
    do {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, (long)signal_number) != 0) {
            return -errno;
        }
        const int result = wait_for_stop(pid, &signal_number);
        if (result != 0) {
            return result;
        }
    } while (signal_number != 0);
    return 0;
}

bool trace_enter(pid_t pid)
{
    const uint64_t until_ns = sv_os_now_ns() + ASLEEP_NS;
    int signal_number = 0;
    int status = 0;
    if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) != 0 || wait_for_stop(pid, &signal_number) != 0 ||
        ptrace(PTRACE_SYSCALL, pid, NULL, (long)signal_number) != 0) {
        return false;
    }
    while (sv_os_now_ns() < until_ns) {
        if (waitpid(pid, &status, WNOHANG) != 0) {
            return false;
        }
        (void)sched_yield();
    }
    return true;
}

int trace_attach(pid_t pid)
{
    int signal_number = 0;
    const int result = wait_for_stop(pid, &signal_number);
    if (result != 0) {
        return result;
    }
    if (signal_number != 0) {
        return -EPROTO;
    }
    return ptrace(PTRACE_SETOPTIONS, pid, NULL, (long)PTRACE_O_EXITKILL) == 0 ? 0 : -errno;
}

void trace_let_go(pid_t pid)
{
    (void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* ---- recording ----------------------------------------------------------------------------- */

static int make_room(struct trace *trace)
{
    if (trace->count + 1 < trace->room) {
        return 0;
    }
    const uint32_t room = trace->room == 0 ? 4096 : trace->room * 2;
    uint64_t *at = realloc(trace->at, room * sizeof(*at));
    if (at == NULL) {
        return -ENOMEM;
    }
    trace->at = at;
    uint8_t *touches = realloc(trace->touches, room);
    if (touches == NULL) {
        return -ENOMEM;
    }
    trace->touches = touches;
    trace->room = room;
    return 0;
}

struct visit {
    uint64_t at;
    uint32_t index;
};

static int by_address(const void *a, const void *b)
{
    const struct visit *x = a;
    const struct visit *y = b;
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    return x->index < y->index ? -1 : 1;
}

/* Count the visits of each address. */
static int count_hits(struct trace *trace)
{
    struct visit *visits = calloc(trace->count + 1, sizeof(*visits));
    trace->hit = calloc(trace->count + 1, sizeof(*trace->hit));
    if (visits == NULL || trace->hit == NULL) {
        free(visits);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i <= trace->count; i++) {
        visits[i] = (struct visit){.at = trace->at[i], .index = i};
    }
    qsort(visits, trace->count + 1, sizeof(*visits), by_address);
    for (uint32_t i = 0; i <= trace->count;) {
        uint32_t end = i + 1;
        bool repeats = false;
        while (end <= trace->count && visits[end].at == visits[i].at) {
            repeats |= visits[end].index == visits[end - 1].index + 1;
            end++;
        }
        for (uint32_t j = i; j < end; j++) {
            trace->hit[visits[j].index] = repeats ? 0 : j - i + 1;
        }
        i = end;
    }
    free(visits);
    return 0;
}

static int record(pid_t pid, struct trace *trace, struct access_reader *reader)
{
    const uint64_t over = (uint64_t)(uintptr_t)sweep_over;
    for (;;) {
        struct user_regs_struct registers;
        if (make_room(trace) != 0) {
            return -ENOMEM;
        }
        if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) != 0) {
            return -errno;
        }
        trace->at[trace->count] = registers.rip;
        trace->touches[trace->count] = 0;
        if (registers.rip == over) {
            return 0;
        }
        trace->touches[trace->count++] = access_of(reader, &registers);
        const int result = trace->count < STEPS_MAX ? trace_step(pid) : -E2BIG;
        if (result != 0) {
            return result;
        }
    }
}

int trace_record(pid_t pid, const struct trace_region regions[TRACE_REGIONS], struct trace *trace)
{
    struct access_reader *reader = access_open(regions);
    if (reader == NULL) {
        return -ENOMEM;
    }
    trace_free(trace);
    int result = record(pid, trace, reader);
    access_close(reader);
    if (result == 0) {
        result = count_hits(trace);
    }
    return result;
}

/* ---- getting there ------------------------------------------------------------------------- */

/* The step from which k is reached with the fewest stops; 0: from the beginning. */
static uint32_t start_for(const struct trace *trace, uint32_t k)
{
    uint32_t best = 0;
    uint32_t best_cost = k;
    const uint32_t last = k < trace->count ? k : trace->count;
    for (uint32_t i = last; i > 0 && last - i < LOOK_BACK && k - i < best_cost; i--) {
        if (trace->hit[i] != 0 && trace->hit[i] + (k - i) < best_cost) {
            best = i;
            best_cost = trace->hit[i] + (k - i);
        }
    }
    return best;
}

/* Two: there, and where what is swept is over, since its path may be another one. at 0: none. */
static int set_breakpoints(pid_t pid, uint64_t at)
{
    const size_t registers = offsetof(struct user, u_debugreg);
    const size_t enable = registers + 7 * sizeof(long);
    const uint64_t over = (uint64_t)(uintptr_t)sweep_over;
    if (ptrace(PTRACE_POKEUSER, pid, enable, 0L) != 0 ||
        (at != 0 && (ptrace(PTRACE_POKEUSER, pid, registers, (long)at) != 0 ||
                     ptrace(PTRACE_POKEUSER, pid, registers + sizeof(long), (long)over) != 0 ||
                     ptrace(PTRACE_POKEUSER, pid, enable, 5L) != 0))) {
        return -errno;
    }
    return 0;
}

/* At its stop: is it there? Returns: 0; -EPROTO: it is over, and nobody is to wait for it. */
static int is_there(pid_t pid, uint64_t at)
{
    uint64_t now = 0;
    const int result = trace_where(pid, &now);
    if (result == 0 && now != at) {
        (void)set_breakpoints(pid, 0);
        return -EPROTO;
    }
    return result;
}

int trace_run_to(pid_t pid, uint64_t at, uint32_t hits)
{
    int signal_number = 0;
    int result = set_breakpoints(pid, at);
    while (result == 0 && hits > 0) {
        if (ptrace(PTRACE_CONT, pid, NULL, (long)signal_number) != 0) {
            return -errno;
        }
        result = wait_for_stop(pid, &signal_number);
        if (result == 0 && signal_number == 0) {
            result = is_there(pid, at);
            hits--;
        }
    }
    return result != 0 ? result : set_breakpoints(pid, 0);
}

static enum stepped told_by(int result)
{
    return result == -ECHILD ? STEPPED_OVER : STEPPED_LOST;
}

enum stepped trace_advance(pid_t pid, const struct trace *trace, uint32_t k, bool plain)
{
    uint64_t at = 0;
    uint32_t done = plain ? 0 : start_for(trace, k);
    int result = done > 0 ? trace_run_to(pid, trace->at[done], trace->hit[done]) : 0;
    if (result != 0) {
        return result == -EPROTO ? STEPPED_ELSEWHERE : told_by(result);
    }
    for (; done < k; done++) {
        result = trace_step(pid);
        if (result != 0) {
            return told_by(result);
        }
    }
    if (trace_where(pid, &at) != 0) {
        return STEPPED_LOST;
    }
    return k <= trace->count && at == trace->at[k] ? STEPPED_THERE : STEPPED_ELSEWHERE;
}
