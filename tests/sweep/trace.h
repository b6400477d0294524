/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Stepping a process through what is swept.
 *
 * The path is recorded once: the address of every instruction, from sweep_begins to sweep_over.
 * Victims are forked from one parent, so they take the same path at the same addresses; how far one
 * got is compared with what was recorded. Design: trace.c.
 */
#ifndef SINVAL_TESTS_SWEEP_TRACE_H
#define SINVAL_TESTS_SWEEP_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sinval/api.h"

/* Why an instruction is a boundary. */
#define TOUCH_SHARED 1 /* it reads or writes memory that others see */
#define TOUCH_KERNEL 2 /* a system call */

struct trace {
    uint64_t *at;     /* addresses; at[count] is where it was over */
    uint32_t *hit;    /* the how-manieth time it is there, from 1; 0: not to be counted on */
    uint8_t *touches; /* TOUCH_… of the instruction at at[i] */
    uint32_t count;   /* instructions */
    uint32_t room;
};

void trace_free(struct trace *trace);

/* How a stepped process is. */
enum stepped {
    STEPPED_THERE,     /* after k instructions, where the trace says */
    STEPPED_ELSEWHERE, /* after k instructions, but its path was another */
    STEPPED_OVER,      /* it is over (or gone) before that */
    STEPPED_LOST,      /* it cannot be traced */
};

/* Wait for a child's sweep_begins. Returns: 0; -errno; -ECHILD: it has ended. */
SV_NODISCARD int trace_attach(pid_t pid);

/* Memory that others see: the segment; for some, one mapping more. */
#define TRACE_REGIONS 2

struct trace_region {
    uint64_t first;
    uint64_t end;
};

/* Step it until it is over, and note its accesses to the regions. Returns: 0; -errno. */
SV_NODISCARD int trace_record(pid_t pid, const struct trace_region regions[TRACE_REGIONS],
                              struct trace *trace);

/*
 * Bring it from sweep_begins to k instructions further. plain: by single steps only. The process
 * is stopped there unless STEPPED_LOST.
 */
enum stepped trace_advance(pid_t pid, const struct trace *trace, uint32_t k, bool plain);

/* One instruction; a signal on the way is delivered. Returns: 0; -ECHILD: it has ended; -errno. */
SV_NODISCARD int trace_step(pid_t pid);

/* Run until it is at that address for the hits-th time. Returns: 0; -ECHILD; -EPROTO; -errno. */
SV_NODISCARD int trace_run_to(pid_t pid, uint64_t at, uint32_t hits);

/* Where it is. Returns: 0; -errno. */
SV_NODISCARD int trace_where(pid_t pid, uint64_t *at);

/*
 * It stands before a system call: let it enter. Returns: whether it sleeps there; else it stands
 * behind it, or has ended.
 */
bool trace_enter(pid_t pid);

/* Let it go on, untraced. */
void trace_let_go(pid_t pid);

#endif
