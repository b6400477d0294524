/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What PostgreSQL 15.18 does, figure by figure: its own sinvaladt.c was driven by an extension that
 * called SIInsertDataEntries, SIGetDataEntries and SICleanupQueue and looked at the shared
 * structure after every call. Our queue with the same constants (the presets) must show the same.
 * O1, O2, ... are the names of those recordings; longer ones are played by ctest's postgres.* from
 * scripts.
 *
 * One thread acts for all backends; slot 0 is W, who writes.
 */
#ifndef SINVAL_TESTS_POSTGRES_SCENE_H
#define SINVAL_TESTS_POSTGRES_SCENE_H

#include "support.h"

enum { NONE = -1, BACKENDS = 16, WRAPAROUND = 1 << 30 };

/* What changed during one insert: a row of a recording. */
struct change {
    uint32_t inserted; /* since the start */
    int64_t max;
    int64_t min;
    uint32_t threshold;
    int signaled;    /* the slot that was marked signaled; NONE */
    uint32_t resets; /* bit per slot that was marked for reset */
};

/* All that is compared. */
struct figures {
    struct sv_queue_state queue;
    struct sv_slot_state slots[BACKENDS];
};

struct stage {
    struct sv_segment *segment;
    struct sv_backend *backends[BACKENDS];
    uint32_t count;
    bool drains; /* W reads after each insert */
    uint64_t sent;
};

static inline struct figures look(const struct stage *stage)
{
    struct figures figures;
    sv_queue_look(stage->segment, &figures.queue);
    for (uint32_t i = 0; i < stage->count; i++) {
        sv_slot_look(stage->segment, i, &figures.slots[i]);
    }
    return figures;
}

static inline struct stage enter(uint32_t count)
{
    struct stage stage = {.segment = world((struct sv_config){0}), .count = count};
    for (uint32_t i = 0; i < count; i++) {
        stage.backends[i] = join(stage.segment);
        cr_assert_eq(sv_backend_slot(stage.backends[i]), i);
    }
    return stage;
}

static inline void leave(struct stage *stage)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        if (stage->backends[i] != NULL) {
            sv_queue_leave(stage->backends[i]);
            sv_backend_detach(stage->backends[i]);
        }
    }
    sv_segment_detach(stage->segment);
}

static inline void insert(struct stage *stage, uint32_t slot, uint32_t count)
{
    insert_numbered(stage->backends[slot], stage->sent, count);
    stage->sent += count;
}

/* SIGetDataEntries(capacity). Returns: -1 for a reset, else how many. */
static inline int get(struct stage *stage, uint32_t slot, uint32_t capacity)
{
    struct sv_message messages[64];
    uint32_t count = 0;
    cr_assert_leq(capacity, 64);
    return sv_queue_read(stage->backends[slot], messages, capacity, &count) == SV_RESET
               ? -1
               : (int)count;
}

static inline void drain(struct stage *stage, uint32_t slot)
{
    while (get(stage, slot, 64) != 0) {
    }
}

/* What changed from before to after; inserted is 0 if nothing did but max in the regular way. */
static inline struct change compare(const struct stage *stage, const struct figures *before,
                                    const struct figures *after, uint32_t batch)
{
    struct change change = {
        .max = after->queue.max_number,
        .min = after->queue.min_number,
        .threshold = after->queue.next_threshold,
        .signaled = NONE,
    };
    bool changed = before->queue.max_number + batch != change.max ||
                   before->queue.min_number != change.min ||
                   before->queue.next_threshold != change.threshold;
    for (uint32_t i = 0; i < stage->count; i++) {
        if (!before->slots[i].signaled && after->slots[i].signaled) {
            cr_assert_eq(change.signaled, NONE, "two catchups in one insert");
            change.signaled = (int)i;
            changed = true;
        }
        if (!before->slots[i].reset && after->slots[i].reset) {
            change.resets |= 1U << i;
            changed = true;
        }
    }
    change.inserted = changed ? (uint32_t)stage->sent : 0;
    return change;
}

/* Insert total messages in batches by slot 0; every change must be the next row, in order. */
static inline void expect_rows(struct stage *stage, uint32_t batch, uint32_t total,
                               const struct change *rows, size_t count)
{
    size_t row = 0;
    struct figures before = look(stage);
    while (stage->sent < total) {
        const uint32_t left = total - (uint32_t)stage->sent;
        const uint32_t size = left < batch ? left : batch;
        insert(stage, 0, size);
        const struct figures after = look(stage);
        const struct change change = compare(stage, &before, &after, size);
        if (stage->drains) {
            drain(stage, 0);
        }
        before = look(stage);
        if (change.inserted == 0) {
            continue;
        }
        cr_assert_lt(row, count, "a change more, after %" PRIu64 " messages", stage->sent);
        const struct change *expected = &rows[row++];
        cr_assert_eq(change.inserted, expected->inserted, "row %zu: after %u, not %u messages", row,
                     change.inserted, expected->inserted);
        cr_assert_eq(change.max, expected->max, "after %u: max", change.inserted);
        cr_assert_eq(change.min, expected->min, "after %u: min", change.inserted);
        cr_assert_eq(change.threshold, expected->threshold, "after %u: threshold", change.inserted);
        cr_assert_eq(change.signaled, expected->signaled, "after %u: signaled %d", change.inserted,
                     change.signaled);
        cr_assert_eq(change.resets, expected->resets, "after %u: resets", change.inserted);
    }
    cr_assert_eq(row, count, "only %zu of %zu changes", row, count);
}

#define EXPECT_ROWS(stage, batch, total, ...)                                   \
    do {                                                                        \
        const struct change rows[] = {__VA_ARGS__};                             \
        expect_rows(stage, batch, total, rows, sizeof(rows) / sizeof(rows[0])); \
    } while (false)

/* The queue, and one slot. */
struct seen {
    int64_t min;
    int64_t max;
    uint32_t threshold;
    int64_t next;
    bool reset;
    bool signaled;
};

static inline void expect(struct stage *stage, uint32_t slot, struct seen expected)
{
    const struct figures figures = look(stage);
    const struct sv_queue_state *queue = &figures.queue;
    const struct sv_slot_state *state = &figures.slots[slot];
    cr_assert_eq(queue->min_number, expected.min, "min is %" PRId64, queue->min_number);
    cr_assert_eq(queue->max_number, expected.max, "max is %" PRId64, queue->max_number);
    cr_assert_eq(queue->next_threshold, expected.threshold, "threshold is %u",
                 queue->next_threshold);
    cr_assert_eq(state->next_number, expected.next, "next is %" PRId64, state->next_number);
    cr_assert_eq(state->reset, expected.reset);
    cr_assert_eq(state->signaled, expected.signaled);
}

#endif
