/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#include "faults/explore/worlds.h"

#include <stddef.h>

const struct world_kind *const world_kinds[] = {
    &world_ring_4, &world_ring_8, &world_planted_deadlock, &world_planted_stale_read, NULL,
};
