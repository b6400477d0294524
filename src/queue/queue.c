/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The invalidation queue.
 *
 * The ideal: an infinite array of messages, numbered from 0. A writer appends at max_number; each
 * backend has a position, the number of the next message it will read; a message is done with when
 * every position is past it. min_number is at or below the lowest position.
 *
 * The real one keeps the newest `capacity` messages in a ring, message n at n % capacity. Four
 * things follow, as in PostgreSQL's sinvaladt.c:
 *
 * Overflow. When there is no room, whoever is too far behind is marked for reset and no longer
 * counts; when it reads next it is told SV_RESET and goes on at max_number. (cleanup.c)
 *
 * Signalling. Before it comes to that, the furthest behind is sent a catchup, one for each
 * cleanup; who caught up runs cleanup again, and so hands the baton on. (cleanup.c)
 *
 * Wraparound. Once min_number passes config.wraparound, a multiple of the capacity, all numbers are
 * lowered by it. A number and the epoch (how often that happened) share one 64-bit word, a
 * position, so each is lowered by one store, and after a death anyone can see which are not yet.
 *
 * "Nothing new" costs one load. PostgreSQL sets a flag in every backend's slot on every insert;
 * here `published` moves whenever there is something new for anyone, and never wraps; a backend
 * compares it with what it was before it last read everything. Numbers cannot serve: they are
 * lowered, and an unlocked comparison could match by accident.
 *
 * Invariants, checked by sv_queue_check (look.c) with both locks held:
 *   Q1  min_number <= max_number <= min_number + capacity.
 *   Q2  every position of the queue and of a slot in it carries the queue's epoch.
 *   Q3  min_number <= next_number <= max_number for a slot in the queue that is neither marked for
 *       reset nor send-only. (min_number is legal to be stale low; illegal to be high.)
 *   Q4  the threshold is at least 1 and at most capacity + cleanup_quantum.
 *   Q5  numbers stay below 2^31.
 *   Q6  a send-only slot is neither marked for reset nor signaled.
 *   Q7  a free slot is not in the queue, and holds no intent.
 *
 * Rubbish. Numbers that break Q1, Q2 or Q5 end whoever is about to change the queue, before it does
 * (sv_queue_corrupt); a slot's position that breaks Q2 or Q3 costs that backend a reset, which makes
 * it right again. What is in the ring is bounded by the private configuration whatever numbers say:
 * a wrong number copies wrong messages, never other memory.
 *
 * Locks: write_lock guards max_number, the ring beyond it, threshold, joining and leaving.
 *        read_lock shared lets a backend change its own position, reset and signaled; exclusive,
 *        anyone's. min_number and epoch change under both.
 *
 * Ordering: [R1] max_number, release, after the ring; pairs with [A1] in sv_queue_read.
 *           [R2] published, release, after max_number, or after a mark for reset; pairs with [A2]
 *                in sv_queue_empty and sv_queue_read: whoever sees the count sees what it counts.
 *           [R3] position, release, after the copy out; the cleaner gets it through read_lock.
 */
#include "queue/queue.h"

#include <errno.h>
#include <string.h>

#include "base/point.h"
#include "sync/procsignal.h"

/*
 * Until count messages fit and cleanup is not due. Each round frees room or has reset somebody.
 * Returns: max_number, checked.
 */
static uint64_t make_room(struct sv_backend *self, uint32_t count)
{
    const struct sv_segment *segment = self->segment;
    for (;;) {
        const uint64_t min = sv_load_relaxed64(&segment->queue->min_number);
        const uint64_t max = sv_load_relaxed64(&segment->queue->max_number);
        if (sv_unlikely(!sv_queue_sound(segment, min, max))) {
            sv_queue_corrupt(segment, min, max);
        }
        const uint32_t length = (uint32_t)(max - min);
        if (length + count <= segment->config.capacity &&
            length < sv_load_relaxed32(&segment->queue->next_threshold)) {
            return max;
        }
        sv_queue_cleanup_locked(self, count);
    }
}

/* Copy into the ring from number on: at most two runs. The last message is copied in halves. */
static void copy_in(const struct sv_segment *segment, uint32_t number,
                    const struct sv_message *messages, uint32_t count)
{
    const uint32_t mask = segment->config.capacity - 1;
    const uint32_t at = number & mask;
    const uint32_t first = count <= mask + 1 - at ? count : mask + 1 - at;
    if (first > 1) { /* a call of memcpy is a quarter of what inserting one message costs */
        memcpy(&segment->ring[at], messages, (first - 1) * sizeof(*messages));
    }
    const struct sv_message *last = &messages[first - 1];
    struct sv_message *into = &segment->ring[at + first - 1];
    memcpy(into, last, sizeof(*last) / 2);
    SV_POINT(queue_copy_middle);
    memcpy((char *)into + sizeof(*last) / 2, (const char *)last + sizeof(*last) / 2,
           sizeof(*last) / 2);
    if (count > first) {
        memcpy(segment->ring, messages + first, (count - first) * sizeof(*messages));
    }
}

/* At max, which is max_number. */
static void append(struct sv_backend *self, uint64_t max, const struct sv_message *messages,
                   uint32_t count)
{
    struct sv_queue *queue = self->segment->queue;
    copy_in(self->segment, SV_POSITION_NUMBER(max), messages, count);
    SV_POINT(queue_publish_before);
    sv_store_release64(&queue->max_number, max + count); /* [R1] */
    SV_POINT(queue_publish_between);
    sv_store_release64(&queue->published, sv_load_relaxed64(&queue->published) + count); /* [R2] */
    sv_stat_add(self->slot, SV_STAT_inserted, count);
    SV_POINT(queue_publish_after);
}

void sv_queue_insert(struct sv_backend *self, const struct sv_message *messages, uint32_t count)
{
    const uint32_t quantum = self->segment->config.write_quantum;
    SV_ANNOTATE_DEFINED(messages, count * sizeof(*messages));
    while (count > 0) {
        const uint32_t group = count < quantum ? count : quantum;
        SV_POINT(queue_insert_before);
        sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
        const uint64_t max = make_room(self, group);
        append(self, max, messages, group);
        sv_lwlock_release(self, SV_LOCK_WRITE);
        messages += group;
        count -= group;
        if (count > 0) {
            SV_POINT(queue_insert_group);
        }
    }
}

bool sv_queue_empty(const struct sv_backend *self)
{
    return sv_load_acquire64(&self->segment->queue->published) == self->seen; /* [A2] */
}

static void copy_out(const struct sv_segment *segment, uint32_t number, struct sv_message *out,
                     uint32_t count)
{
    const uint32_t mask = segment->config.capacity - 1;
    const uint32_t at = number & mask;
    const uint32_t first = count <= mask + 1 - at ? count : mask + 1 - at;
    memcpy(out, &segment->ring[at], first * sizeof(*out));
    memcpy(out + first, segment->ring, (count - first) * sizeof(*out));
}

/* Go on at max: everything before is lost to this backend, and it is told so. */
static void take_reset(struct sv_backend *self, uint64_t max, uint64_t published)
{
    struct sv_slot *slot = self->slot;
    sv_store_release64(&slot->position, max);
    sv_store_relaxed32(&slot->signaled, 0);
    sv_store_relaxed32(&slot->reset, SV_RESET_NONE);
    SV_POINT(queue_reset_taken);
    self->seen = published;
    sv_stat_add(slot, SV_STAT_resets_taken, 1);
}

/*
 * Nothing is kept for a send-only backend, so it is given nothing; its position moves on as
 * PostgreSQL's would. (To read there is outside PostgreSQL's contract: it returns what the ring
 * happens to hold.)
 */
static void pass_over(struct sv_backend *self, uint32_t capacity, uint64_t published)
{
    const uint64_t max = sv_load_acquire64(&self->segment->queue->max_number); /* [A1] */
    const uint64_t next = sv_load_relaxed64(&self->slot->position);
    sv_store_release64(&self->slot->position, max - next < capacity ? max : next + capacity);
    if (max - next <= capacity) {
        self->seen = published;
    }
}

/* With read_lock shared. Returns as sv_queue_read. */
static int read_locked(struct sv_backend *self, struct sv_message *out, uint32_t capacity,
                       uint32_t *count, uint64_t published)
{
    struct sv_segment *segment = self->segment;
    struct sv_slot *slot = self->slot;
    const uint64_t max = sv_load_acquire64(&segment->queue->max_number); /* [A1] */
    const uint64_t next = sv_load_relaxed64(&slot->position);
    const uint64_t unread = max - next;
    if (sv_load_relaxed32(&slot->reset) != SV_RESET_NONE || unread > segment->config.capacity) {
        if (sv_load_relaxed32(&slot->reset) == SV_RESET_NONE) {
            sv_stat_add(slot, SV_STAT_resets_repair, 1);
        }
        take_reset(self, max, published);
        return SV_RESET;
    }
    *count = unread < capacity ? (uint32_t)unread : capacity;
    copy_out(segment, SV_POSITION_NUMBER(next), out, *count);
    SV_POINT(queue_read_copied);
    sv_store_release64(&slot->position, next + *count); /* [R3] */
    if (*count == unread) {
        sv_store_relaxed32(&slot->signaled, 0);
        self->seen = published;
    }
    SV_POINT(queue_read_advanced);
    sv_stat_add(slot, SV_STAT_read, *count);
    return 0;
}

int sv_queue_read(struct sv_backend *self, struct sv_message *out, uint32_t capacity,
                  uint32_t *count)
{
    *count = 0;
    /* Before max_number: what is published later may be read now, and is then looked for again. */
    const uint64_t published = sv_load_acquire64(&self->segment->queue->published); /* [A2] */
    if (published == self->seen) {
        return 0;
    }
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_SHARED);
    SV_POINT(queue_read_before);
    int result = 0;
    if (self->send_only) {
        pass_over(self, capacity, published);
    } else {
        result = read_locked(self, out, capacity, count, published);
    }
    sv_lwlock_release(self, SV_LOCK_READ);
    return result;
}

int sv_queue_join(struct sv_backend *self)
{
    struct sv_queue *queue = self->segment->queue;
    struct sv_slot *slot = self->slot;
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    SV_POINT(queue_join_before);
    const uint64_t max = sv_load_relaxed64(&queue->max_number);
    if (!sv_queue_sound(self->segment, sv_load_relaxed64(&queue->min_number), max)) {
        sv_lwlock_release(self, SV_LOCK_WRITE);
        return -SV_ECORRUPT;
    }
    sv_store_relaxed64(&slot->position, max);
    sv_store_relaxed32(&slot->reset, SV_RESET_NONE);
    sv_store_relaxed32(&slot->signaled, 0);
    sv_store_relaxed32(&slot->send_only, self->send_only);
    self->seen = sv_load_relaxed64(&queue->published);
    sv_store_release32(&slot->in_queue, 1);
    sv_lwlock_release(self, SV_LOCK_WRITE);
    return 0;
}

void sv_queue_retire(struct sv_backend *self)
{
    if (sv_load_relaxed32(&self->slot->in_queue) == 0) {
        return;
    }
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_store_release32(&self->slot->in_queue, 0);
    sv_store_relaxed32(&self->slot->reset, SV_RESET_NONE);
    sv_lwlock_release(self, SV_LOCK_WRITE);
}

void sv_queue_leave(struct sv_backend *self)
{
    sv_queue_retire(self);
    sv_store_relaxed32(&self->slot->signaled, 0);
    (void)sv_procsignal_take(self, SV_REASON_CATCHUP); /* the baton is dropped, as in PostgreSQL */
}

int sv_queue_set_base(struct sv_backend *self, uint32_t number)
{
    struct sv_segment *segment = self->segment;
    struct sv_queue *queue = segment->queue;
    if (number > (uint32_t)INT32_MAX - segment->config.capacity) {
        return -EINVAL;
    }
    int result = 0;
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const uint64_t max = sv_load_relaxed64(&queue->max_number);
    const uint64_t base = SV_POSITION(SV_POSITION_EPOCH(max), number);
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        struct sv_slot *slot = &segment->slots[i];
        if (sv_load_relaxed32(&slot->in_queue) != 0 && sv_load_relaxed64(&slot->position) != max) {
            result = SV_BUSY;
        }
    }
    if (result == 0) {
        for (uint32_t i = 0; i < used; i++) {
            sv_store_relaxed64(&segment->slots[i].position, base);
        }
        sv_store_relaxed64(&queue->min_number, base);
        sv_store_release64(&queue->max_number, base);
    }
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_WRITE);
    return result;
}
