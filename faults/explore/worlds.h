/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The worlds there are, each beside what its backends do: worlds_queue.c, worlds_locks.c,
 * worlds_slots.c, worlds_cache.c, worlds_accept.c, worlds_levels.c, worlds_model.c, worlds_corners.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_WORLDS_H
#define SINVAL_FAULTS_EXPLORE_WORLDS_H

#include "faults/explore/world.h"

extern const struct world_kind world_ring_4;
extern const struct world_kind world_ring_8;
extern const struct world_kind world_two_writers;
extern const struct world_kind world_relay;
extern const struct world_kind world_locks;
extern const struct world_kind world_readers;
extern const struct world_kind world_latch;
extern const struct world_kind world_slots;
extern const struct world_kind world_room;
extern const struct world_kind world_barrier;
extern const struct world_kind world_pair;
extern const struct world_kind world_entry;
extern const struct world_kind world_emitters;
extern const struct world_kind world_intent;
extern const struct world_kind world_promise;
extern const struct world_kind world_leave;
extern const struct world_kind world_cache;
extern const struct world_kind world_rebuild;
extern const struct world_kind world_nested;
extern const struct world_kind world_callbacks;
extern const struct world_kind world_table;
extern const struct world_kind world_levels;
extern const struct world_kind world_model_2_1;
extern const struct world_kind world_model_3_1;
extern const struct world_kind world_model_2_2;
extern const struct world_kind world_planted_deadlock;
extern const struct world_kind world_planted_stale_read;

#endif
