/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Places in the segment, in words.
 */
#include <stdio.h>

#include "faults/explore/world.h"
#include "sync/lwlock.h"

struct field {
    uint32_t offset;
    const char *name;
};

#define FIELD(type, name)                  \
    {                                      \
        offsetof(struct type, name), #name \
    }

/* By offset, ascending. */
static const struct field header_fields[] = {
    FIELD(sv_header, prefix),          FIELD(sv_header, type_bytes),
    FIELD(sv_header, config),          FIELD(sv_header, directory),
    FIELD(sv_header, checksum),        FIELD(sv_header, slots_used),
    FIELD(sv_header, postmaster_pid),  FIELD(sv_header, barrier),
    FIELD(sv_header, postmaster_life),
};

static const struct field slot_fields[] = {
    FIELD(sv_slot, life),
    FIELD(sv_slot, phase),
    FIELD(sv_slot, pid),
    FIELD(sv_slot, tid),
    FIELD(sv_slot, signal_word),
    FIELD(sv_slot, position),
    FIELD(sv_slot, in_queue),
    FIELD(sv_slot, send_only),
    FIELD(sv_slot, reset),
    FIELD(sv_slot, signaled),
    FIELD(sv_slot, catchup_target),
    FIELD(sv_slot, intent),
    FIELD(sv_slot, local_transaction_id),
    FIELD(sv_slot, latch),
    FIELD(sv_slot, sleep),
    FIELD(sv_slot, reasons),
    FIELD(sv_slot, waits_for_lock),
    FIELD(sv_slot, waits_since_ns),
    FIELD(sv_slot, barrier),
    FIELD(sv_slot, barrier_waiter),
    FIELD(sv_slot, held),
    FIELD(sv_slot, since_ns),
    FIELD(sv_slot, stats),
};

static const struct field queue_fields[] = {
    FIELD(sv_queue, published),      FIELD(sv_queue, max_number), FIELD(sv_queue, min_number),
    FIELD(sv_queue, next_threshold), FIELD(sv_queue, epoch),
};

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/* The field that offset is in. */
static const char *field_of(const struct field *fields, size_t count, uint32_t offset)
{
    while (count > 1 && fields[count - 1].offset > offset) {
        count--;
    }
    return fields[count - 1].name;
}

/* The offset of something in the segment; larger than any if it is not there. */
static uint32_t offset_of(const struct world *world, const void *what)
{
    return (uint32_t)((const uint8_t *)what - (const uint8_t *)world->segment->base);
}

static void where_in_slots(uint32_t at, char *text, size_t size)
{
    const uint32_t slot = at / (uint32_t)sizeof(struct sv_slot);
    const uint32_t in_slot = at % (uint32_t)sizeof(struct sv_slot);
    const uint32_t held = in_slot - (uint32_t)offsetof(struct sv_slot, held);

    if (held < SV_LOCK_COUNT * sizeof(struct sv_atomic32)) {
        (void)snprintf(text, size, "slot %u share of lock %s", slot,
                       sv_lwlock_name((enum sv_lock)(held / sizeof(struct sv_atomic32))));
    } else {
        (void)snprintf(text, size, "slot %u %s", slot,
                       field_of(slot_fields, FIELD_COUNT(slot_fields), in_slot));
    }
}

const char *world_where(const struct world *world, uint32_t offset, char *text, size_t size)
{
    const struct sv_segment *segment = world->segment;
    const uint32_t in_slots = offset - offset_of(world, segment->slots);
    const uint32_t in_locks = offset - offset_of(world, segment->locks);
    const uint32_t in_queue = offset - offset_of(world, segment->queue);
    const uint32_t in_ring = offset - offset_of(world, segment->ring);

    if (in_slots < segment->config.backends_max * sizeof(struct sv_slot)) {
        where_in_slots(in_slots, text, size);
    } else if (in_locks < SV_LOCK_COUNT * sizeof(struct sv_lock_word)) {
        (void)snprintf(text, size, "lock %s %s",
                       sv_lwlock_name((enum sv_lock)(in_locks / sizeof(struct sv_lock_word))),
                       in_locks % sizeof(struct sv_lock_word) == 0 ? "exclusive" : "waiters");
    } else if (in_queue < sizeof(struct sv_queue)) {
        (void)snprintf(text, size, "queue %s",
                       field_of(queue_fields, FIELD_COUNT(queue_fields), in_queue));
    } else if (in_ring < segment->config.capacity * sizeof(struct sv_message)) {
        (void)snprintf(text, size, "ring message %u, byte %u",
                       in_ring / (uint32_t)sizeof(struct sv_message),
                       in_ring % (uint32_t)sizeof(struct sv_message));
    } else if (offset < sizeof(struct sv_header)) {
        (void)snprintf(text, size, "header %s",
                       field_of(header_fields, FIELD_COUNT(header_fields), offset));
    } else {
        const uint32_t in_intents = offset - offset_of(world, segment->intents);
        (void)snprintf(text, size, "intent of slot %u, byte %u",
                       in_intents / (uint32_t)sv_intent_stride(&segment->config),
                       in_intents % (uint32_t)sv_intent_stride(&segment->config));
    }
    return text;
}

const char *world_step_name(uint8_t kind)
{
    static const char *const names[EXPLORE_STEP_KINDS] = {
        [EXPLORE_NONE] = "goes on at",  [EXPLORE_READ] = "reads",
        [EXPLORE_WRITE] = "writes",     [EXPLORE_UPDATE] = "updates",
        [EXPLORE_WAIT] = "waits on",    [EXPLORE_WAKE] = "wakes",
        [EXPLORE_ACQUIRE] = "acquires", [EXPLORE_ACQUIRE_SHARED] = "shares",
        [EXPLORE_RELEASE] = "releases", [EXPLORE_RELEASE_SHARED] = "unshares",
        [EXPLORE_ALL] = "times out at",
    };

    return names[kind];
}
