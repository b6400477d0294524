/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a run of the injector is made of, and what can be read out of it.
 *
 * Everything that a decision needs from plan and seed is worked out here, once, before the backends
 * are forked: which faults take part, which of them apply at which point, and the hash of each
 * point's name (its name rather than its number, so that a decision does not change when the
 * catalogue grows).
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include <string.h>

#include "faults/injector.h"
#include "faults/random.h"

size_t injector_shared_bytes(uint32_t backends)
{
    return sizeof(struct injector_shared) + backends * sizeof(struct injector_record);
}

/* Bit per fault that takes part: all, or with swarm about half, but never none. */
static uint64_t draw_active(const struct plan *plan, uint64_t seed)
{
    struct random random = random_branch(seed, 0, RANDOM_SWARM);
    uint64_t active = 0;

    for (uint32_t i = 0; i < plan->fault_count; i++) {
        const bool drawn = !plan->swarm || random_below(&random, 2) == 0;

        active |= (uint64_t)drawn << i;
    }
    if (active == 0 && plan->fault_count > 0) {
        active = UINT64_C(1) << random_below(&random, plan->fault_count);
    }
    return active;
}

/* What passing a point means for the number of locks held. */
static int32_t lock_change(const char *path)
{
    if (strncmp(path, "lock/", 5) != 0) {
        return 0;
    }
    if (strstr(path, "_acquire/after") != NULL) {
        return 1;
    }
    return strstr(path, "_release/after") != NULL ? -1 : 0;
}

static uint64_t point_key(const char *path)
{
    uint64_t key = 0;

    for (; *path != '\0'; path++) {
        key = random_hash(key, (unsigned char)*path);
    }
    return key;
}

void injector_start(struct injector *injector, const struct plan *plan, uint64_t seed,
                    struct injector_shared *shared)
{
    *injector = (struct injector){
        .plan = plan,
        .seed = seed,
        .backends = plan->world.backends,
        .shared = shared,
        .act = injector_act_process,
        .active = draw_active(plan, seed),
    };
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        injector->point_keys[point] = point_key(point_entries[point].path);
        injector->lock_changes[point] = lock_change(point_entries[point].path);
        for (uint32_t i = 0; i < plan->fault_count; i++) {
            const bool here =
                (injector->active >> i & 1) != 0 && fault_applies(&plan->faults[i], point);

            injector->faults_at[point] |= (uint64_t)here << i;
        }
    }
}

bool injector_stall_over(const struct injector_shared *shared, uint32_t backend, uint64_t now_ns)
{
    const uint64_t until_ns = sv_load_seq64(&shared->records[backend].stalled_until_ns);

    return until_ns != 0 && until_ns <= now_ns;
}

uint64_t injector_reached(const struct injector *injector, enum sv_point point)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < injector->backends; i++) {
        sum += sv_load_relaxed32(&injector->shared->records[i].hits[point]);
    }
    return sum;
}

uint64_t injector_fired(const struct injector *injector, enum sv_point point, enum action action)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < injector->backends; i++) {
        sum += sv_load_relaxed32(&injector->shared->records[i].fired[point][action]);
    }
    return sum;
}

uint32_t injector_trace(const struct injector *injector, uint32_t backend,
                        struct injector_event events[INJECTOR_EVENTS_MAX])
{
    const struct injector_record *record = &injector->shared->records[backend];
    const uint32_t written = sv_load_relaxed32(&record->events_written);
    const uint32_t count = written < INJECTOR_EVENTS_MAX ? written : INJECTOR_EVENTS_MAX;

    for (uint32_t i = 0; i < count; i++) {
        events[i] = record->events[(written - count + i) % INJECTOR_EVENTS_MAX];
    }
    return count;
}
