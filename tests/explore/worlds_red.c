/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Corners whose planted defect is not there, or is another: what a campaign makes of them is tested
 * in tests/explore_odd_cli.c.
 */
#include "faults/explore/worlds.h"

#define RED_CONFIG                                        \
    {                                                     \
        .backends_max = 2, .capacity = 4, .intent_max = 1 \
    }

static void run_fine(struct world *world, uint32_t backend)
{
    (void)world_load(world, backend);
}

static const struct world_kind world_fine = {
    .name = "fine",
    .about = "nothing is wrong, and nothing is planted",
    .config = RED_CONFIG,
    .backends = 2,
    .run = run_fine,
};

static const struct world_kind world_blank = {
    .name = "blank",
    .about = "nothing is wrong, though it is said to be",
    .config = RED_CONFIG,
    .backends = 2,
    .planted = ORACLE_O1,
    .run = run_fine,
};

static void run_mistaken(struct world *world, uint32_t backend)
{
    run_fine(world, backend);
    machine_fail(ORACLE_O7, "something else is wrong");
}

static const struct world_kind world_mistaken = {
    .name = "mistaken",
    .about = "something is wrong, other than it is said to be",
    .config = RED_CONFIG,
    .backends = 2,
    .planted = ORACLE_O1,
    .run = run_mistaken,
};

const struct world_kind *const world_kinds[] = {
    &world_fine, &world_blank, &world_mistaken, NULL, /* in a line of its own, each */
};
