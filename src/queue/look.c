/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Looking at the queue: for people, without locks; and the invariants, with them.
 */
#include <inttypes.h>
#include <string.h>

#include "queue/queue.h"

void sv_queue_look(struct sv_segment *segment, struct sv_queue_state *state)
{
    const struct sv_queue *queue = segment->queue;
    *state = (struct sv_queue_state){
        .min_number = (int32_t)SV_POSITION_NUMBER(sv_load_acquire64(&queue->min_number)),
        .max_number = (int32_t)SV_POSITION_NUMBER(sv_load_acquire64(&queue->max_number)),
        .next_threshold = sv_load_relaxed32(&queue->next_threshold),
        .wraparounds = sv_load_relaxed32(&queue->epoch),
        .published = sv_load_acquire64(&queue->published),
    };
}

/* As its settler would take it: what cannot be an intent is "reset everyone". */
static uint32_t intent_size(struct sv_segment *segment, uint32_t index)
{
    const uint32_t phase = sv_load_acquire32(&segment->slots[index].intent);
    const uint32_t count = sv_load_acquire32(&sv_segment_intent(segment, index)->count);
    if (phase == SV_INTENT_NONE) {
        return 0;
    }
    return phase == SV_INTENT_MESSAGES && count <= segment->config.intent_max ? count : UINT32_MAX;
}

/* Who has the life lock of one that was attached, and is somebody else, settles it. */
static uint32_t settler_of(const struct sv_slot *slot, uint32_t phase)
{
    const uint32_t holder = sv_os_life_holder(&slot->life);
    const bool attached = phase == SV_SLOT_ACTIVE || phase == SV_SLOT_DEAD;
    return attached && holder != sv_load_relaxed32(&slot->tid) ? holder : 0;
}

void sv_slot_look(struct sv_segment *segment, uint32_t index, struct sv_slot_state *state)
{
    const struct sv_slot *slot = sv_segment_slot(segment, index);
    const uint32_t phase = sv_load_acquire32(&slot->phase);
    const uint64_t position = sv_load_acquire64(&slot->position);
    const uint64_t max = sv_load_acquire64(&segment->queue->max_number);
    *state = (struct sv_slot_state){
        .slot = index,
        .in_use = phase != SV_SLOT_FREE,
        .in_queue = sv_load_relaxed32(&slot->in_queue) != 0,
        .alive = phase != SV_SLOT_FREE && sv_os_life_holder(&slot->life) != 0,
        .to_be_settled = phase == SV_SLOT_DEAD,
        .pid = (int32_t)sv_load_relaxed32(&slot->pid),
        .tid = (int32_t)sv_load_relaxed32(&slot->tid),
        .settler_tid = (int32_t)settler_of(slot, phase),
        .next_number = (int32_t)SV_POSITION_NUMBER(position),
        .reset = sv_load_relaxed32(&slot->reset) != SV_RESET_NONE,
        .signaled = sv_load_relaxed32(&slot->signaled) != 0,
        .send_only = sv_load_relaxed32(&slot->send_only) != 0,
        .sleeping = sv_load_relaxed32(&slot->sleep) != SV_AWAKE,
        .latch_set = sv_load_relaxed32(&slot->latch) != 0,
        .intent = intent_size(segment, index),
        .local_transaction_id = sv_load_relaxed64(&slot->local_transaction_id),
        .waits_for_lock = sv_load_acquire32(&slot->waits_for_lock) - 1,
        .waits_since_ns = sv_load_relaxed64(&slot->waits_since_ns),
    };
    if (state->in_queue && !state->reset && !state->send_only && max > position) {
        state->behind = SV_POSITION_NUMBER(max) - SV_POSITION_NUMBER(position);
    }
}

/* Q2, Q3, Q5, Q6 and Q7 for one slot. */
static const char *check_slot(const struct sv_segment *segment, uint32_t index)
{
    const struct sv_slot *slot = &segment->slots[index];
    const struct sv_queue *queue = segment->queue;
    const uint64_t position = sv_load_relaxed64(&slot->position);
    const bool send_only = sv_load_relaxed32(&slot->send_only) != 0;
    const bool reset = sv_load_relaxed32(&slot->reset) != SV_RESET_NONE;
    if (sv_load_relaxed32(&slot->in_queue) == 0) {
        const bool free = sv_load_relaxed32(&slot->phase) == SV_SLOT_FREE;
        return free && sv_load_relaxed32(&slot->intent) != SV_INTENT_NONE
                   ? "Q7: a free slot holds an intent"
                   : NULL;
    }
    if (sv_load_relaxed32(&slot->phase) == SV_SLOT_FREE) {
        return "Q7: a free slot is in the queue";
    }
    if (send_only) {
        return reset || sv_load_relaxed32(&slot->signaled) != 0
                   ? "Q6: a send-only slot is marked for reset or signaled"
                   : NULL;
    }
    if (SV_POSITION_EPOCH(position) != sv_load_relaxed32(&queue->epoch)) {
        return "Q2: a slot's position is of another epoch";
    }
    if (!reset && (position < sv_load_relaxed64(&queue->min_number) ||
                   position > sv_load_relaxed64(&queue->max_number))) {
        return "Q3: a slot's position is outside the queue";
    }
    return NULL;
}

void sv_queue_corrupt(const struct sv_segment *segment, uint64_t min, uint64_t max)
{
    sv_segment_corrupt(segment,
                       "queue: max_number %" PRId32 " of epoch %" PRIu32 ", min_number %" PRId32
                       " of epoch %" PRIu32 "; at most %" PRIu32 " apart, of epoch %" PRIu32
                       " would be right",
                       (int32_t)SV_POSITION_NUMBER(max), SV_POSITION_EPOCH(max),
                       (int32_t)SV_POSITION_NUMBER(min), SV_POSITION_EPOCH(min),
                       segment->config.capacity, sv_load_relaxed32(&segment->queue->epoch));
}

const char *sv_queue_check(const struct sv_segment *segment)
{
    const struct sv_queue *queue = segment->queue;
    const struct sv_config *config = &segment->config;
    const uint64_t min = sv_load_relaxed64(&queue->min_number);
    const uint64_t max = sv_load_relaxed64(&queue->max_number);
    const uint32_t threshold = sv_load_relaxed32(&queue->next_threshold);
    const uint32_t epoch = sv_load_relaxed32(&queue->epoch);
    if (SV_POSITION_EPOCH(min) != epoch || SV_POSITION_EPOCH(max) != epoch) {
        return "Q2: min_number or max_number is of another epoch";
    }
    if (max - min > config->capacity) { /* also if it is before it */
        return "Q1: max_number is not within capacity of min_number";
    }
    if (threshold < 1 || threshold > config->capacity + config->cleanup_quantum) {
        return "Q4: the threshold is out of range";
    }
    if (SV_POSITION_NUMBER(max) > INT32_MAX) {
        return "Q5: max_number is past 2^31";
    }
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        const char *broken = check_slot(segment, i);
        if (broken != NULL) {
            return broken;
        }
    }
    return NULL;
}
