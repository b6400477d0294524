/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of the queue.
 */
#include "faults/explore/worlds.h"

#define LOOKS 4 /* for each read that finds something: who looks once may look too early */

/* Read until that many reads have found something, or for so long. */
static void read_often(struct world *world, uint32_t backend, uint32_t reads, uint32_t capacity)
{
    for (uint32_t looks = reads * LOOKS; reads > 0 && looks > 0; looks--) {
        reads -= world_read(world, backend, capacity) > 0;
    }
}

/* ---- ring-4: overflow, reset, cleanup and wraparound --------------------------------------------- */

static void run_ring_4(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint32_t i = 0; i < 6; i++) {
            world_insert(world, backend, 1);
        }
        return;
    }
    read_often(world, backend, 3, 4);
}

const struct world_kind world_ring_4 = {
    .name = "ring-4",
    .about = "a ring of 4 that wraps around at 8: one writer of 6 messages, one reader",
    .config = {.backends_max = 2, .capacity = 4, .wraparound = 8, .intent_max = 1},
    .backends = 2,
    .base = 4,
    .run = run_ring_4,
};

/* ---- ring-8: one writer, three readers -------------------------------------------------------------- */

static void run_ring_8(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint32_t i = 0; i < 4; i++) {
            world_insert(world, backend, 3);
        }
        return;
    }
    read_often(world, backend, 3, 8);
}

const struct world_kind world_ring_8 = {
    .name = "ring-8",
    .about = "a ring of 8: one writer of 12 messages, three readers",
    .config = {.backends_max = 4, .capacity = 8, .wraparound = 16, .intent_max = 1},
    .backends = 4,
    .base = 8,
    .run = run_ring_8,
};
