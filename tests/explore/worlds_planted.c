/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds in which something is wrong, each in one way, in place of those of worlds.c: what the
 * explorer makes of them is tested in tests/explore_cli.c.
 */
#include "faults/explore/worlds.h"

#define PLANTED_CONFIG                                    \
    {                                                     \
        .backends_max = 4, .capacity = 4, .intent_max = 1 \
    }

/* ---- remembers: a step depends on how many executions there were ------------------------------- */

static void run_remembers(struct world *world, uint32_t backend)
{
    static uint32_t executions;

    executions += backend == 0;
    for (uint32_t i = 0; i < 5; i++) {
        (void)world_load(world, i == 3 && backend == 0 ? executions % 2 : 0);
    }
}

static const struct world_kind world_remembers = {
    .name = "remembers",
    .about = "the fourth step of backend 0 is another in every other execution",
    .config = PLANTED_CONFIG,
    .backends = 2,
    .run = run_remembers,
};

const struct world_kind *const world_kinds[] = {
    &world_remembers,
    &world_planted_deadlock,
    &world_planted_stale_read,
    NULL,
};
