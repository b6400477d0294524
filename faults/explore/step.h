/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Steps: what a schedule is made of, and which of them may not change places.
 *
 * An agent is whoever takes steps: a backend, or a piece of the environment (the death of a
 * backend, a signal under way to it). A step is one access to shared memory or one call of the
 * operating system, with whatever private work follows it up to the next one.
 *
 * Two steps of different agents that do not conflict lead to the same state in either order. It is
 * safe to call steps conflicting that are not; the reverse is not.
 */
#ifndef SINVAL_FAULTS_EXPLORE_STEP_H
#define SINVAL_FAULTS_EXPLORE_STEP_H

#include <stdbool.h>
#include <stdint.h>

#define EXPLORE_AGENTS_MAX 64
#define EXPLORE_NOBODY     UINT8_MAX

enum explore_step_kind {
    EXPLORE_NONE, /* private work only: starts, goes on after it was woken, yields; no object */
    EXPLORE_READ,
    EXPLORE_WRITE,
    EXPLORE_UPDATE, /* reads and may write: read-modify-write, try of a life lock */
    EXPLORE_WAIT,   /* looks at a word and sleeps on it */
    EXPLORE_WAKE,   /* wakes who sleeps on a word; does not look at the word */
    EXPLORE_ACQUIRE,
    EXPLORE_ACQUIRE_SHARED, /* enabled only while the lock can be had */
    EXPLORE_RELEASE,
    EXPLORE_RELEASE_SHARED,
    EXPLORE_ALL, /* has its place in the order of all, as a time-out when nobody else can go on */
    EXPLORE_STEP_KINDS
};

/*
 * What an agent does next. Objects are numbered densely: granules of the segment first, then what
 * the operating system keeps. A step has span (>= 1) of them from object on; with EXPLORE_NONE and
 * EXPLORE_ALL neither counts.
 *
 * A step with a victim is the environment's, done to that backend between two of its steps: a
 * death, the arrival of a signal. It conflicts with each of the victim's steps; with any other step
 * with a victim, which may share its budget; and with any EXPLORE_WAKE, since it may take the
 * victim out of the line of sleepers. The object of a death is the victim's life lock; an arrival
 * has none, and its kind is EXPLORE_NONE.
 */
struct explore_step {
    uint32_t object;
    uint16_t span;
    uint8_t kind;
    uint8_t agent;
    uint8_t victim; /* EXPLORE_NOBODY: none */
};

/* Locks that an agent holds, as sets. */
struct explore_guards {
    uint64_t alone;
    uint64_t shared;
};

/* Can two agents not hold these at a time? */
static inline bool explore_guards_exclude(const struct explore_guards *a,
                                          const struct explore_guards *b)
{
    return ((a->alone & (b->alone | b->shared)) | (a->shared & b->alone)) != 0;
}

/* By kind: a set of the kinds that conflict with it on the same object. */
static const uint16_t explore_conflicts[EXPLORE_STEP_KINDS] = {
    [EXPLORE_READ] = 1U << EXPLORE_WRITE | 1U << EXPLORE_UPDATE,
    [EXPLORE_WRITE] =
        1U << EXPLORE_READ | 1U << EXPLORE_WRITE | 1U << EXPLORE_UPDATE | 1U << EXPLORE_WAIT,
    [EXPLORE_UPDATE] =
        1U << EXPLORE_READ | 1U << EXPLORE_WRITE | 1U << EXPLORE_UPDATE | 1U << EXPLORE_WAIT,
    [EXPLORE_WAIT] =
        1U << EXPLORE_WRITE | 1U << EXPLORE_UPDATE | 1U << EXPLORE_WAIT | 1U << EXPLORE_WAKE,
    [EXPLORE_WAKE] = 1U << EXPLORE_WAIT | 1U << EXPLORE_WAKE,
    [EXPLORE_ACQUIRE] = 1U << EXPLORE_ACQUIRE | 1U << EXPLORE_ACQUIRE_SHARED |
                        1U << EXPLORE_RELEASE | 1U << EXPLORE_RELEASE_SHARED,
    [EXPLORE_RELEASE] = 1U << EXPLORE_ACQUIRE | 1U << EXPLORE_ACQUIRE_SHARED |
                        1U << EXPLORE_RELEASE | 1U << EXPLORE_RELEASE_SHARED,
    [EXPLORE_ACQUIRE_SHARED] = 1U << EXPLORE_ACQUIRE | 1U << EXPLORE_RELEASE,
    [EXPLORE_RELEASE_SHARED] = 1U << EXPLORE_ACQUIRE | 1U << EXPLORE_RELEASE,
};

/*
 * The objects of a step as bits by their number, modulo 64; so that steps of the same object have a
 * bit in common, but not only those.
 */
static inline uint64_t explore_places(const struct explore_step *step)
{
    const uint64_t places = step->span >= 64 ? UINT64_MAX : (UINT64_C(1) << step->span) - 1;
    const uint32_t by = step->object % 64;

    return by == 0 ? places : places << by | places >> (64 - by);
}

static inline bool explore_kinds_conflict(uint32_t kind, uint32_t other)
{
    return (explore_conflicts[kind] >> other & 1U) != 0;
}

/* Is one of these done to the agent of the other, or to the sleepers it wakes, or to anybody? */
static inline bool explore_victims_conflict(const struct explore_step *a,
                                            const struct explore_step *b)
{
    return a->victim != EXPLORE_NOBODY &&
           (a->victim == b->agent || b->victim != EXPLORE_NOBODY || b->kind == EXPLORE_WAKE);
}

/* May these two, of different agents, not change places? */
static inline bool explore_steps_conflict(const struct explore_step *a,
                                          const struct explore_step *b)
{
    if (explore_kinds_conflict(a->kind, b->kind) && a->object < b->object + b->span &&
        b->object < a->object + a->span) {
        return true;
    }
    if ((a->victim & b->victim) == EXPLORE_NOBODY && a->kind != EXPLORE_ALL &&
        b->kind != EXPLORE_ALL) {
        return false; /* nearly always */
    }
    return a->kind == EXPLORE_ALL || b->kind == EXPLORE_ALL || explore_victims_conflict(a, b) ||
           explore_victims_conflict(b, a);
}

#endif
