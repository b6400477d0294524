/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Cleanup: room in the ring, resets, catchups, and the wraparound (PostgreSQL: SICleanupQueue).
 *
 * One pass over the slots, under both locks, finds the new minimum, marks for reset who is too far
 * behind, and picks the furthest behind of those who need a catchup and were not sent one. At most
 * one is sent; it is sent after both locks are released, since signalling is slow. Whoever comes
 * back from that finds the queue changed, and looks again (PostgreSQL forgot to: dc02a4814a).
 *
 * The catchup and death. Three steps: note the target in one's own slot, mark it as signaled,
 * signal; then clear the note. Whoever settles a slot with a note signals the target again: a
 * second catchup is harmless, a mark without a signal would end the relay.
 *
 * The wraparound and death. The first store says so to everyone: the queue's epoch goes up. From
 * then on every position with another epoch is one that is still to be lowered; whoever takes
 * read_lock over from a cleaner that died lowers the rest (repair.c). Under both locks nobody can
 * see it half done.
 */
#include "base/point.h"
#include "queue/queue.h"
#include "sync/procsignal.h"

/* What a pass over the slots found. Numbers are signed: a reset slot's may be below 0. */
struct scan {
    int64_t min;
    uint32_t target; /* who needs a catchup; SV_SLOT_NONE: nobody */
};

static int64_t number_of(uint64_t position)
{
    return (int32_t)SV_POSITION_NUMBER(position);
}

/* A place that nobody can be at: who was there has lost it, and is told so (K5). */
static void mark_lost(struct sv_backend *self, struct sv_slot *slot)
{
    sv_store_relaxed32(&slot->reset, SV_RESET_REPAIR);
    sv_stat_add(self->slot, SV_STAT_resets_repair, 1);
}

/* With the queue's numbers, which are sound. */
static struct scan scan_slots(struct sv_backend *self, uint32_t free_min, uint64_t min_number,
                              uint64_t max_number)
{
    struct sv_segment *segment = self->segment;
    const struct sv_config *config = &segment->config;
    const int64_t max = number_of(max_number);
    const int64_t keep_from = max - config->capacity + free_min;
    int64_t furthest = max - config->signal_threshold;
    struct scan scan = {.min = max, .target = SV_SLOT_NONE};
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        struct sv_slot *slot = &segment->slots[i];
        if (sv_load_relaxed32(&slot->in_queue) == 0 || sv_load_relaxed32(&slot->reset) != 0 ||
            sv_load_relaxed32(&slot->send_only) != 0) {
            continue;
        }
        const uint64_t position = sv_load_relaxed64(&slot->position);
        const int64_t next = number_of(position);
        if (sv_unlikely(position - min_number > max_number - min_number)) { /* Q2 and Q3 */
            mark_lost(self, slot);
            continue;
        }
        if (next < keep_from) {
            SV_POINT(queue_reset_mark);
            sv_store_relaxed32(&slot->reset, SV_RESET_OVERFLOW);
            sv_stat_add(self->slot, SV_STAT_resets_overflow, 1);
            continue;
        }
        if (next < scan.min) {
            scan.min = next;
        }
        if (next < furthest && sv_load_relaxed32(&slot->signaled) == 0) {
            furthest = next;
            scan.target = i;
        }
    }
    return scan;
}

static void lower(struct sv_segment *segment, struct sv_atomic64 *position)
{
    const uint32_t epoch = sv_load_relaxed32(&segment->queue->epoch);
    const uint64_t value = sv_load_relaxed64(position);
    if (SV_POSITION_EPOCH(value) != epoch) {
        const uint32_t number = SV_POSITION_NUMBER(value) - segment->config.wraparound;
        sv_store_relaxed64(position, SV_POSITION(epoch, number));
    }
}

void sv_queue_lower_all(struct sv_segment *segment)
{
    const uint32_t used = sv_segment_slots_used(segment);
    lower(segment, &segment->queue->min_number);
    lower(segment, &segment->queue->max_number);
    for (uint32_t i = 0; i < used; i++) {
        SV_POINT(queue_wraparound_slot);
        lower(segment, &segment->slots[i].position);
    }
}

static void lower_numbers(struct sv_backend *self)
{
    struct sv_segment *segment = self->segment;
    struct sv_queue *queue = segment->queue;
    sv_store_release32(&queue->epoch, sv_load_relaxed32(&queue->epoch) + 1);
    SV_POINT(queue_wraparound_before);
    sv_queue_lower_all(segment);
    sv_stat_add(self->slot, SV_STAT_wraparounds, 1);
    SV_POINT(queue_wraparound_after);
}

/* When the next insert should clean up: cleanup_min, or the next multiple of the quantum. */
static uint32_t threshold_for(const struct sv_config *config, uint32_t length)
{
    return length < config->cleanup_min
               ? config->cleanup_min
               : (length / config->cleanup_quantum + 1) * config->cleanup_quantum;
}

/* With both locks held. Returns: who is to be signaled. */
static uint32_t clean(struct sv_backend *self, uint32_t free_min)
{
    struct sv_segment *segment = self->segment;
    struct sv_queue *queue = segment->queue;
    SV_POINT(queue_cleanup_before);
    const uint64_t min = sv_load_relaxed64(&queue->min_number);
    const uint64_t max = sv_load_relaxed64(&queue->max_number);
    const uint32_t epoch = sv_load_relaxed32(&queue->epoch);
    if (SV_POSITION_EPOCH(max) != epoch || !sv_queue_sound(segment, min, max)) {
        sv_queue_corrupt(segment, min, max);
    }
    const struct scan scan = scan_slots(self, free_min, min, max);
    SV_POINT(queue_cleanup_scanned);
    sv_store_relaxed64(&queue->min_number, SV_POSITION(epoch, scan.min));
    if (scan.min >= segment->config.wraparound) {
        lower_numbers(self);
    }
    SV_POINT(queue_cleanup_stored);
    const uint32_t length = SV_POSITION_NUMBER(sv_load_relaxed64(&queue->max_number)) -
                            SV_POSITION_NUMBER(sv_load_relaxed64(&queue->min_number));
    sv_store_relaxed32(&queue->next_threshold, threshold_for(&segment->config, length));
    sv_stat_add(self->slot, SV_STAT_cleanups, 1);
    return scan.target;
}

static void note_catchup(struct sv_backend *self, uint32_t target)
{
    sv_store_release32(&self->slot->catchup_target, target + 1);
    sv_store_relaxed32(&self->segment->slots[target].signaled, 1);
    SV_POINT(queue_cleanup_chosen);
}

static void send_catchup(struct sv_backend *self, uint32_t target)
{
    SV_POINT(queue_cleanup_signal);
    /* Nobody there any more: whoever settles that slot passes the baton on. */
    (void)!sv_procsignal_send_to(self->segment, target, SV_REASON_CATCHUP);
    sv_stat_add(self->slot, SV_STAT_catchups_sent, 1);
    SV_POINT(queue_cleanup_after);
    sv_store_release32(&self->slot->catchup_target, 0);
}

void sv_queue_cleanup_locked(struct sv_backend *self, uint32_t free_min)
{
    sv_lwlock_assert_held(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const uint32_t target = clean(self, free_min);
    if (target == SV_SLOT_NONE) {
        sv_lwlock_release(self, SV_LOCK_READ);
        return;
    }
    note_catchup(self, target);
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_WRITE);
    send_catchup(self, target);
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
}

void sv_queue_cleanup(struct sv_backend *self, uint32_t free_min)
{
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const uint32_t target = clean(self, free_min);
    if (target != SV_SLOT_NONE) {
        note_catchup(self, target);
    }
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_WRITE);
    if (target != SV_SLOT_NONE) {
        send_catchup(self, target);
    }
}

void sv_queue_reset_all(struct sv_backend *self)
{
    struct sv_segment *segment = self->segment;
    struct sv_queue *queue = segment->queue;
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        struct sv_slot *slot = &segment->slots[i];
        if (sv_load_relaxed32(&slot->in_queue) != 0 && sv_load_relaxed32(&slot->send_only) == 0 &&
            sv_load_relaxed32(&slot->reset) == SV_RESET_NONE) {
            SV_POINT(queue_reset_all);
            sv_store_relaxed32(&slot->reset, SV_RESET_REQUESTED);
            sv_stat_add(self->slot, SV_STAT_resets_requested, 1);
        }
    }
    /* Also who had read everything must look again. */
    sv_store_release64(&queue->published, sv_load_relaxed64(&queue->published) + 1);
    (void)clean(self, 0); /* nobody is left to be signaled */
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_WRITE);
}
