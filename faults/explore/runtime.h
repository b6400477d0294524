/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where every access of traced code arrives: the part of the machine that must be quick.
 */
#ifndef SINVAL_FAULTS_EXPLORE_RUNTIME_H
#define SINVAL_FAULTS_EXPLORE_RUNTIME_H

#include "faults/explore/machine.h"
#include "faults/explore/order.h"

#define RUNTIME_NOWHERE UINT32_MAX
#define RUNTIME_GRANULE 8                   /* bytes that are one object */
#define RUNTIME_EVENTS  (UINT32_C(1) << 16) /* the newest are kept */

/* What an access needs to know. */
struct runtime {
    uintptr_t base;        /* of what is traced */
    size_t size_bytes;     /* 0: nothing is */
    uint64_t until;        /* the step before which whoever runs has to ask whether it may, */
    uint64_t stops[2];     /* and before looks at these explore_places, and changes of those */
    uint64_t step;         /* accesses made in this execution */
    uintptr_t memory;      /* where private memory of backends begins, stacks and all, */
    size_t memory_bytes;   /* and for how long there is nearly nothing else; 0: not judged */
    uintptr_t own;         /* that of who runs, */
    size_t own_bytes;      /* of each */
    uint32_t spun_offset;  /* looks there are no steps; RUNTIME_NOWHERE: nowhere */
    bool changed;          /* a word that is judged has been, since it was judged last */
    uint32_t self;         /* who makes them */
    const uint8_t *judged; /* by granule: is what is written there? NULL: nowhere */
    struct order order;
    uint64_t events[RUNTIME_EVENTS]; /* steps: struct machine_event */
};

extern struct runtime runtime __attribute__((visibility("hidden")));

/* Whoever runs wants to do that, and may not without a question. Returns: false: not a step. */
bool runtime_ask(uint8_t kind, uint8_t order, uint32_t offset, uint32_t bytes, const void *pc)
    __attribute__((visibility("hidden")));

static inline struct explore_step explore_step_at(uint8_t kind, uint32_t offset, uint32_t bytes,
                                                  uint32_t agent)
{
    const uint32_t first = offset / RUNTIME_GRANULE;

    return (struct explore_step){
        .object = first,
        .span = (uint16_t)((offset + bytes - 1) / RUNTIME_GRANULE - first + 1),
        .kind = kind,
        .agent = (uint8_t)agent,
        .victim = EXPLORE_NOBODY,
    };
}

/*
 * It is about to write a word that is judged, after that by explore_changed; or, if it does so
 * itself and tells nobody, at the next step or the end of its doings.
 */
void runtime_judge(uint32_t offset, bool itself) __attribute__((visibility("hidden")));

/* Now it has. */
void runtime_judge_change(void) __attribute__((visibility("hidden")));

static inline void explore_changed(void)
{
    if (__builtin_expect(runtime.changed, 0)) {
        runtime_judge_change();
    }
}

/* Write down the step that is taken now. */
static inline void runtime_note(uint8_t kind, uint32_t offset, uint32_t bytes, uint32_t agent)
{
    runtime.events[runtime.step++ & (RUNTIME_EVENTS - 1)] =
        (uint64_t)offset << 32 | (uint64_t)(uint16_t)bytes << 16 | (uint64_t)kind << 8 | agent;
}

/* Else it starts, wakes up, or begins to handle a signal. */
static inline bool runtime_is_access(uint8_t kind)
{
    return kind != EXPLORE_NONE && kind != EXPLORE_ALL;
}

/* So many steps are granted from now on. */
static inline void runtime_grant(uint64_t steps)
{
    runtime.until = runtime.step + steps;
}

/* How many are left of them? */
static inline uint64_t runtime_granted(void)
{
    return runtime.until > runtime.step ? runtime.until - runtime.step : 0;
}

/* Is there a question before that step, however many steps are granted? */
static inline bool runtime_stops(const struct explore_step *step)
{
    return (runtime.stops[step->kind != EXPLORE_READ] & explore_places(step)) != 0;
}

/* Every access, before it happens. Judges of accesses belong here. */
void explore_touch(uint8_t kind, uint8_t order, const volatile void *address, size_t bytes,
                   const void *pc) __attribute__((visibility("hidden")));

static inline bool explore_is_traced(const volatile void *address)
{
    return (uintptr_t)address - runtime.base < runtime.size_bytes;
}

/* Atomic loads and stores that are not quick (runtime_quick.c). */
#define EXPLORE_SLOW(bits, type)                                                            \
    type explore_load##bits(const volatile type *address, int order, const void *pc)        \
        __attribute__((visibility("hidden")));                                              \
    void explore_store##bits(volatile type *address, type value, int order, const void *pc) \
        __attribute__((visibility("hidden")));

EXPLORE_SLOW(8, uint8_t)
EXPLORE_SLOW(16, uint16_t)
EXPLORE_SLOW(32, uint32_t)
EXPLORE_SLOW(64, uint64_t)

__extension__ EXPLORE_SLOW(128, unsigned __int128)

    /* Is it private memory of who runs? */
    static inline bool explore_is_own(const volatile void *address)
{
    return (uintptr_t)address - runtime.own < runtime.own_bytes;
}

/* Or of somebody else? */
static inline bool explore_is_foreign(const volatile void *address)
{
    return (uintptr_t)address - runtime.memory < runtime.memory_bytes && !explore_is_own(address);
}

/* Whoever runs must not touch that (foreign.c). */
void explore_foreign(uint8_t kind, const volatile void *address, size_t bytes)
    __attribute__((visibility("hidden"), cold));

/*
 * The same for nearly all of them, with as little as possible: a READ, WRITE or UPDATE within one
 * object, which needs no question and no judge. Returns: false: it is none of those, nothing
 * happened.
 */
static inline __attribute__((always_inline)) bool explore_quick(uint8_t kind,
                                                                const volatile void *address,
                                                                size_t bytes)
{
    const uintptr_t offset = (uintptr_t)address - runtime.base;
    const uint32_t object = (uint32_t)offset / RUNTIME_GRANULE;
    const bool changes = kind != EXPLORE_READ;

    if (offset >= runtime.size_bytes) {
        return !explore_is_foreign(address);
    }
    if (bytes > RUNTIME_GRANULE || runtime.step >= runtime.until ||
        (runtime.stops[changes] >> object % 64 & 1) != 0 ||
        (changes && runtime.judged != NULL && runtime.judged[object] != 0)) {
        return !changes && offset == runtime.spun_offset;
    }
    order_access(&runtime.order, kind, object, runtime.self);
    runtime_note(kind, (uint32_t)offset, (uint32_t)bytes, runtime.self);
    return true;
}

#endif
