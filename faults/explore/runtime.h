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
    uint64_t run;          /* accesses that whoever runs may make without a question */
    uint64_t stops;        /* but for those: explore_places */
    uint64_t step;         /* accesses made in this execution */
    uint32_t last_offset;  /* of the newest one */
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

/* It is about to write a word that is judged, at the next step or the end of its doings. */
void runtime_judge(uint32_t offset) __attribute__((visibility("hidden")));

/* Write down the step that is taken now. */
static inline void runtime_note(uint8_t kind, uint32_t offset, uint32_t bytes, uint32_t agent)
{
    runtime.events[runtime.step++ & (RUNTIME_EVENTS - 1)] =
        (uint64_t)offset << 32 | (uint64_t)(uint16_t)bytes << 16 | (uint64_t)kind << 8 | agent;
}

/* Is there a question before that access? */
static inline bool runtime_stops(uint64_t places)
{
    return runtime.run == 0 || (runtime.stops & places) != 0;
}

static inline void runtime_take(uint8_t kind, uint32_t offset, uint32_t bytes)
{
    runtime_note(kind, offset, bytes, runtime.self);
    if ((kind == EXPLORE_WRITE || kind == EXPLORE_UPDATE) && runtime.judged != NULL &&
        __builtin_expect(runtime.judged[offset / RUNTIME_GRANULE], 0)) {
        runtime_judge(offset);
    }
    runtime.last_offset = offset;
}

/*
 * Every access to the segment, before it happens; but for those of one object, which are nearly all,
 * and know it. Judges of accesses belong in runtime_take.
 */
static inline void explore_access(uint8_t kind, uint8_t order, uint32_t offset, uint32_t bytes,
                                  const void *pc)
{
    const struct explore_step step = explore_step_at(kind, offset, bytes, runtime.self);

    if (runtime_stops(explore_places(&step))) {
        if (!runtime_ask(kind, order, offset, bytes, pc)) {
            return;
        }
    } else {
        runtime.run--;
    }
    order_step(&runtime.order, &step);
    runtime_take(kind, offset, bytes);
}

static inline void explore_access_one(uint8_t kind, uint8_t order, uint32_t offset, uint32_t bytes,
                                      const void *pc)
{
    const uint32_t object = offset / RUNTIME_GRANULE;

    if (__builtin_expect(runtime_stops(UINT64_C(1) << object % 64), 0)) {
        if (!runtime_ask(kind, order, offset, bytes, pc)) {
            return;
        }
    } else {
        runtime.run--;
    }
    order_access(&runtime.order, kind, object, runtime.self);
    runtime_take(kind, offset, bytes);
}

static inline bool explore_is_traced(const volatile void *address)
{
    return (uintptr_t)address - runtime.base < runtime.size_bytes;
}

/* An access to any address. */
static inline void explore_touch(uint8_t kind, uint8_t order, const volatile void *address,
                                 size_t bytes, const void *pc)
{
    const uintptr_t offset = (uintptr_t)address - runtime.base;

    if (offset < runtime.size_bytes) {
        explore_access(kind, order, (uint32_t)offset, (uint32_t)bytes, pc);
    }
}

/* A read, write or update, whose address is a multiple of its size: 1, 2, 4, 8 or 16. */
static inline void explore_touch_aligned(uint8_t kind, uint8_t order, const volatile void *address,
                                         size_t bytes, const void *pc)
{
    const uintptr_t offset = (uintptr_t)address - runtime.base;

    if (offset >= runtime.size_bytes) {
        return;
    }
    if (bytes <= RUNTIME_GRANULE) {
        explore_access_one(kind, order, (uint32_t)offset, (uint32_t)bytes, pc);
    } else {
        explore_access(kind, order, (uint32_t)offset, (uint32_t)bytes, pc);
    }
}

#endif
