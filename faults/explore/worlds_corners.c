/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Corners with a planted defect, which every campaign must find: else the alarm is out of order.
 *
 * They use the ring's memory for words of their own, and nothing of the core.
 */
#include "base/os.h"
#include "faults/explore/worlds.h"

/* ---- two locks, taken in opposite orders ----------------------------------------------------- */

/* A function of its own, so that a story says whose lock it is. */
static __attribute__((noinline)) void lock(struct sv_atomic32 *word)
{
    uint32_t expected = 0;

    machine_step(EXPLORE_UPDATE, word, sizeof(*word));
    while (!sv_compare_swap_seq32(word, &expected, 1)) {
        (void)sv_os_wait(word, 1, UINT64_MAX);
        expected = 0;
        machine_step(EXPLORE_UPDATE, word, sizeof(*word));
    }
}

static __attribute__((noinline)) void unlock(struct sv_atomic32 *word)
{
    machine_step(EXPLORE_WRITE, word, sizeof(*word));
    sv_store_seq32(word, 0);
    sv_os_wake(word, 1);
}

static void run_deadlock(struct world *world, uint32_t backend)
{
    struct sv_atomic32 *first = world_word(world, 2 * (backend & 1));
    struct sv_atomic32 *second = world_word(world, 2 * (1 - (backend & 1)));

    for (int i = 0; i < 3 && world_goes_on(world, backend); i++) {
        lock(first);
        lock(second);
        unlock(second);
        unlock(first);
    }
}

const struct world_kind world_planted_deadlock = {
    .name = "planted-deadlock",
    .about = "two locks taken in opposite orders",
    .config = {.backends_max = 2, .capacity = 4, .intent_max = 1},
    .backends = 2,
    .planted = ORACLE_O4,
    .run = run_deadlock,
};

/* ---- a version that is told before its value ------------------------------------------------- */

enum { VERSION = 0, VALUE = 2 };

static void run_stale_read(struct world *world, uint32_t backend)
{
    for (uint32_t i = 1; i <= 3 && world_goes_on(world, backend); i++) {
        if (backend == 0) {
            world_store(world, VERSION, i);
            world_store(world, VALUE, i);
            continue;
        }
        const uint32_t version = world_load(world, VERSION);
        const uint32_t value = world_load(world, VALUE);
        if (value < version) {
            machine_fail(ORACLE_O1, "backend %u is told of version %u, and reads version %u",
                         backend, version, value);
        }
    }
}

const struct world_kind world_planted_stale_read = {
    .name = "planted-stale-read",
    .about = "a version that is told before its value is there",
    .config = {.backends_max = 2, .capacity = 4, .intent_max = 1},
    .backends = 2,
    .planted = ORACLE_O1,
    .run = run_stale_read,
};
