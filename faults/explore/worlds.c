/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#include "faults/explore/worlds.h"

#include <stddef.h>

const struct world_kind *const world_kinds[] = {
    &world_ring_4,
    &world_ring_8,
    &world_two_writers,
    &world_relay,
    &world_locks,
    &world_readers,
    &world_latch,
    &world_slots,
    &world_room,
    &world_barrier,
    &world_pair,
    &world_entry,
    &world_emitters,
    &world_intent,
    &world_promise,
    &world_leave,
    &world_cache,
    &world_rebuild,
    &world_nested,
    &world_callbacks,
    &world_table,
    &world_levels,
    &world_model_2_1,
    &world_model_3_1,
    &world_model_2_2,
    &world_planted_deadlock,
    &world_planted_stale_read,
    NULL, /* in a line of its own, each */
};
