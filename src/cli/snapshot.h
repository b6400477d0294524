/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A look at a segment, taken without any lock: field by field true at some moment, and no more than
 * that while others go on. Printed by `sinval stat` and by the shell's stat.
 */
#ifndef SINVAL_CLI_SNAPSHOT_H
#define SINVAL_CLI_SNAPSHOT_H

#include <jansson.h>
#include <stdio.h>

#include "sinval/sinval.h"

/* One slot. */
struct slot_view {
    struct sv_slot_state state;
    uint32_t shared;                       /* bit per enum sv_lock held shared */
    uint64_t held_since_ns[SV_LOCK_COUNT]; /* of those it holds, at least; 0: nobody knows */
    uint64_t counters[SV_STAT_COUNT];
    bool stopped; /* its process is, by SIGSTOP */
};

struct snapshot {
    struct sv_segment *segment;
    uint64_t now_ns;
    struct sv_queue_state queue;
    uint32_t owners[SV_LOCK_COUNT]; /* exclusive; SV_SLOT_NONE */
    uint32_t slot_count;            /* that were ever used */
    uint32_t occupied;              /* of them in use now */
    struct slot_view *slots;
    uint64_t totals[SV_STAT_COUNT]; /* over all slots */
};

/* Returns: 0 and *snapshot, whose slots the caller frees; -ENOMEM. */
int snapshot_take(struct sv_segment *segment, struct snapshot *snapshot);

/* Since when a slot holds a lock, in ns of CLOCK_MONOTONIC; 0: nobody knows, or there is no slot. */
uint64_t snapshot_held_since(const struct snapshot *snapshot, uint32_t slot, enum sv_lock lock);

/* Is that the very moment? Else it is one in which it was held already. */
bool snapshot_since_is_exact(const struct snapshot *snapshot);

/* "attaching", "running", "asleep", "stopped", "dead" or "free". */
const char *slot_state_name(const struct slot_view *slot);

void snapshot_print(const struct snapshot *snapshot, FILE *out);
json_t *snapshot_json(const struct snapshot *snapshot);

#endif
