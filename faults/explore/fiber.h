/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Fibers: stacks of their own within one thread, and the switch between them.
 *
 * On x86-64 and aarch64 a switch is a few instructions (9 ns and less); elsewhere, or with
 * SV_FIBER_UCONTEXT defined, it is swapcontext, which makes a system call. Below each stack lies a
 * page that nobody may touch.
 */
#ifndef SINVAL_FAULTS_EXPLORE_FIBER_H
#define SINVAL_FAULTS_EXPLORE_FIBER_H

#include <stddef.h>
#include <stdint.h>

#include "sinval/api.h"

#if !defined(SV_FIBER_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#    define SV_FIBER_UCONTEXT
#endif
#if defined(SV_FIBER_UCONTEXT)
#    include <ucontext.h>
#endif

struct fiber {
#if defined(SV_FIBER_UCONTEXT)
    ucontext_t context;
#else
    void *stack_pointer; /* while it does not run */
#endif
    uint8_t *mapping; /* the guard page, the stack, the rest; NULL: the thread's own stack */
    size_t stack_bytes;
    size_t above_bytes;
};

/*
 * stack_bytes: whole pages. Directly above the stack, from fiber_top on, lie above_bytes for
 * whatever the caller wants. Returns: 0; -ENOMEM. Owns: the caller frees.
 */
SV_NODISCARD int fiber_create(struct fiber *fiber, size_t stack_bytes, size_t above_bytes);
void fiber_free(struct fiber *fiber);

/* The next switch to it calls entry on an empty stack, whatever it did before. Never returns. */
void fiber_reset(struct fiber *fiber, void (*entry)(void));

/*
 * The registers that a called function must keep, as they are here. Returns: where the stack ends
 * here, that is, its lowest byte in use. SV_FIBER_UCONTEXT has no such function.
 */
#if defined(__aarch64__)
#    define FIBER_REGISTERS 19 /* x19 to x29, d8 to d15 */
#else
#    define FIBER_REGISTERS 6 /* rbx rbp r12 to r15 */
#endif
const uint8_t *fiber_look(uint64_t registers[FIBER_REGISTERS]);

/* While it does not run, and before a reset: so many bytes from the end of its stack are 0. */
void fiber_clear(struct fiber *fiber, size_t bytes);

/* As frame pointers point to. */
struct fiber_frame {
    const struct fiber_frame *before;
    const void *returns_to;
};

/*
 * While it does not run: the end of its stack, and the innermost frame on it; NULL: it has none
 * yet, or it is not known.
 */
uint8_t *fiber_top(const struct fiber *fiber);
const struct fiber_frame *fiber_frame(const struct fiber *fiber);

/* Go on with `to` where it left off; returns when somebody switches to `from`. */
#if defined(SV_FIBER_UCONTEXT)
static inline void fiber_switch(struct fiber *from, struct fiber *to)
{
    (void)swapcontext(&from->context, &to->context);
}
#else
void fiber_exchange(void **from_stack_pointer, void *to_stack_pointer);

static inline void fiber_switch(struct fiber *from, struct fiber *to)
{
    fiber_exchange(&from->stack_pointer, to->stack_pointer);
}
#endif

#endif
