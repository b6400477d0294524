/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * States: has all that can follow from here been seen already?
 *
 * A search asks for the hash of the state before a step. It covers everything that decides what can
 * follow, so from two states of the same hash the same can follow: but for accidents of the 60 bits
 * that a search keeps, of which it meets one in n states with a chance of n^2 / 2^61 (ten million
 * states: 4 in 100,000; a hundred million: 4 in a thousand).
 *
 * Why it covers that: state.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_STATE_H
#define SINVAL_FAULTS_EXPLORE_STATE_H

#include "faults/explore/machine_own.h"

/* What a stack holds is known where it can be looked at. */
#if defined(SV_FIBER_UCONTEXT)
#    define STATE_IS_KNOWN false
#else
#    define STATE_IS_KNOWN true
#endif

/* The segment is what it is now at the beginning of each execution. Returns: 0; -ENOMEM. */
SV_NODISCARD int state_keep(void);
void state_free(void);

/* It is so now. */
void state_set_back(void);

/* That part of it is about to change. */
void state_change(uint32_t offset, uint32_t bytes);

/* Has what a world keeps beside the segment changed since this was asked last? */
bool state_noted(void);

/* The state now, while it is asked who goes on. As explore_choice.state. */
uint64_t state_hash(const struct explore_choice *choice);

/*
 * When an execution is over: a hash of all that is left, but for the stacks, signals that nobody
 * takes any more, and the memory of the dead. Of two that leave the same, no judge can tell which
 * one it was.
 */
uint64_t state_left(void);

/*
 * And of what decides that: the order of its steps, what the world keeps beside the segment, and
 * the time, which may have passed for somebody who died before it took a step.
 */
uint64_t state_end(void);

/* Who runs is about to ask who goes on, from the function that calls this; and has been answered. */
static inline __attribute__((always_inline)) void state_stand(void)
{
#if !defined(SV_FIBER_UCONTEXT)
    if (machine_searches()) {
        struct process *process = self_process();
        process->stack = fiber_look(process->registers);
        process->placed = false;
    }
#endif
}

void state_clear(void);

/* Who runs is at its end: its private memory is all that is left of it. */
void state_leave(void);

#endif
