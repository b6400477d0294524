/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What PostgreSQL 15.18 does, figure by figure: its own sinvaladt.c was driven by an extension that
 * called SIInsertDataEntries, SIGetDataEntries and SICleanupQueue and looked at the shared structure
 * after every call. Our queue with the same constants (the presets) must show the same. O1, O2, ...
 * are the names of those recordings; longer ones are played by ctest's postgres.* from scripts.
 *
 * One thread acts for all backends; slot 0 is W, who writes.
 */
#include "support.h"

TestSuite(postgres_unit, .timeout = 60);

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

static struct figures look(const struct stage *stage)
{
    struct figures figures;
    sv_queue_look(stage->segment, &figures.queue);
    for (uint32_t i = 0; i < stage->count; i++) {
        sv_slot_look(stage->segment, i, &figures.slots[i]);
    }
    return figures;
}

static struct stage enter(uint32_t count)
{
    struct stage stage = {.segment = world((struct sv_config){0}), .count = count};
    for (uint32_t i = 0; i < count; i++) {
        stage.backends[i] = join(stage.segment);
        cr_assert_eq(sv_backend_slot(stage.backends[i]), i);
    }
    return stage;
}

static void leave(struct stage *stage)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        if (stage->backends[i] != NULL) {
            sv_queue_leave(stage->backends[i]);
            sv_backend_detach(stage->backends[i]);
        }
    }
    sv_segment_detach(stage->segment);
}

static void insert(struct stage *stage, uint32_t slot, uint32_t count)
{
    insert_numbered(stage->backends[slot], stage->sent, count);
    stage->sent += count;
}

/* SIGetDataEntries(capacity). Returns: -1 for a reset, else how many. */
static int get(struct stage *stage, uint32_t slot, uint32_t capacity)
{
    struct sv_message messages[64];
    uint32_t count = 0;
    cr_assert_leq(capacity, 64);
    return sv_queue_read(stage->backends[slot], messages, capacity, &count) == SV_RESET
               ? -1
               : (int)count;
}

static void drain(struct stage *stage, uint32_t slot)
{
    while (get(stage, slot, 64) != 0) {
    }
}

/* What changed from before to after; inserted is 0 if nothing did but max in the regular way. */
static struct change compare(const struct stage *stage, const struct figures *before,
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
static void expect_rows(struct stage *stage, uint32_t batch, uint32_t total,
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

static void expect(struct stage *stage, uint32_t slot, int64_t min, int64_t max, uint32_t threshold,
                   int64_t next, bool reset, bool signaled)
{
    const struct figures figures = look(stage);
    cr_assert_eq(figures.queue.min_number, min, "min is %" PRId64, figures.queue.min_number);
    cr_assert_eq(figures.queue.max_number, max, "max is %" PRId64, figures.queue.max_number);
    cr_assert_eq(figures.queue.next_threshold, threshold, "threshold is %u",
                 figures.queue.next_threshold);
    cr_assert_eq(figures.slots[slot].next_number, next, "next is %" PRId64,
                 figures.slots[slot].next_number);
    cr_assert_eq(figures.slots[slot].reset, reset);
    cr_assert_eq(figures.slots[slot].signaled, signaled);
}

/* The rows that batches of 1 give until the ring is full, W or a reader being stalled. */
#define RISE(at, who)                                                                           \
    {(at), (at), 0, 2304, NONE, 0}, {(at) + 256, (at) + 256, 0, 2560, who, 0},                  \
        {(at) + 512, (at) + 512, 0, 2816, NONE, 0}, {(at) + 768, (at) + 768, 0, 3072, NONE, 0}, \
        {(at) + 1024, (at) + 1024, 0, 3328, NONE, 0},                                           \
        {(at) + 1280, (at) + 1280, 0, 3584, NONE, 0},                                           \
        {(at) + 1536, (at) + 1536, 0, 3840, NONE, 0},                                           \
    {                                                                                           \
        (at) + 1792, (at) + 1792, 0, 4096, NONE, 0                                              \
    }

/*
 * Claim:   O1: the only participant, who never reads, is signaled, then reset, and from then on
 *          holds nothing back; at PostgreSQL's figures for batches of every size.
 * Method:  insert 9,000 and more messages in batches of 1, 8, 64, 100, 4096 and 5000.
 */
Test(postgres_unit, o1_a_lone_writer_who_never_reads)
{
    static const uint32_t batches[] = {1, 8, 64};
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        const uint32_t b = batches[i];
        const uint32_t at = 2048 + b;
        struct stage stage = enter(1);
        EXPECT_ROWS(&stage, b, b == 64 ? 9024 : 9000, RISE(at, 0),
                    {4096 + b, 4096 + b, 4096, 2048, NONE, 1},
                    {6144 + b, 6144 + b, 6144, 2048, NONE, 0},
                    {8192 + b, 8192 + b, 8192, 2048, NONE, 0});
        cr_assert_eq(get(&stage, 0, 64), -1);
        cr_assert_eq(get(&stage, 0, 64), 0);
        leave(&stage);
    }
}

Test(postgres_unit, o1_a_lone_writer_in_batches_that_are_no_multiple_of_the_quantum)
{
    struct stage stage = enter(1);
    EXPECT_ROWS(&stage, 100, 9000, {2100, 2100, 0, 2304, 0, 0}, {2400, 2400, 0, 2560, NONE, 0},
                {2600, 2600, 0, 2816, NONE, 0}, {2900, 2900, 0, 3072, NONE, 0},
                {3200, 3200, 0, 3328, NONE, 0}, {3400, 3400, 0, 3584, NONE, 0},
                {3700, 3700, 0, 3840, NONE, 0}, {3900, 3900, 0, 4096, NONE, 0},
                {4100, 4100, 4064, 2048, NONE, 1}, {6200, 6200, 6164, 2048, NONE, 0},
                {8300, 8300, 8264, 2048, NONE, 0});
    leave(&stage);
}

Test(postgres_unit, o1_a_lone_writer_in_batches_as_large_as_the_ring_and_larger)
{
    struct stage stage = enter(1);
    EXPECT_ROWS(&stage, 4096, 12288, {4096, 4096, 0, 4096, 0, 0}, {8192, 8192, 6144, 2048, NONE, 1},
                {12288, 12288, 10240, 2048, NONE, 0});
    leave(&stage);
    stage = enter(1);
    EXPECT_ROWS(&stage, 5000, 10000, {5000, 5000, 4096, 2048, 0, 1},
                {10000, 10000, 8200, 2048, NONE, 0});
    leave(&stage);
}

/*
 * Claim:   O2: a writer who reads its own messages, and one stalled reader: the reader is signaled
 *          once and reset once, at PostgreSQL's figures.
 * Method:  as O1, with W reading everything after each insert.
 */
Test(postgres_unit, o2_a_stalled_reader_is_signaled_and_reset)
{
    static const uint32_t batches[] = {1, 8, 64};
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        const uint32_t b = batches[i];
        const uint32_t at = 2048 + b;
        const uint32_t total = b == 64 ? 9024 : 9000;
        struct stage stage = enter(2);
        stage.drains = true;
        EXPECT_ROWS(&stage, b, total, RISE(at, 1), {4096 + b, 4096 + b, 4096, 2048, NONE, 2},
                    {6144 + b, 6144 + b, 6144, 2048, NONE, 0},
                    {8192 + b, 8192 + b, 8192, 2048, NONE, 0});
        expect(&stage, 0, 8192, total, 2048, total, false, false);
        expect(&stage, 1, 8192, total, 2048, 0, true, true);
        cr_assert_eq(get(&stage, 1, 64), -1);
        expect(&stage, 1, 8192, total, 2048, total, false, false);
        leave(&stage);
    }
}

Test(postgres_unit, o2_a_stalled_reader_with_batches_of_100)
{
    struct stage stage = enter(2);
    stage.drains = true;
    EXPECT_ROWS(&stage, 100, 9000, {2100, 2100, 0, 2304, 1, 0}, {2400, 2400, 0, 2560, NONE, 0},
                {2600, 2600, 0, 2816, NONE, 0}, {2900, 2900, 0, 3072, NONE, 0},
                {3200, 3200, 0, 3328, NONE, 0}, {3400, 3400, 0, 3584, NONE, 0},
                {3700, 3700, 0, 3840, NONE, 0}, {3900, 3900, 0, 4096, NONE, 0},
                {4100, 4100, 4000, 2048, NONE, 2}, {6100, 6100, 6000, 2048, NONE, 0},
                {8100, 8100, 8000, 2048, NONE, 0});
    expect(&stage, 1, 8000, 9000, 2048, 0, true, true);
    leave(&stage);
}

/*
 * Claim:   O3: of k readers stalled at one position, one is signaled at each cleanup in the order
 *          of their slots, seven at most before the ring is full; then all are reset at once.
 * Method:  k = 2, 3, 6, 8 and 12, batch 1, W reads.
 */
Test(postgres_unit, o3_stalled_readers_are_signaled_one_a_cleanup_then_reset_together)
{
    static const uint32_t readers[] = {2, 3, 6, 8, 12};
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        const uint32_t k = readers[i];
        struct stage stage = enter(k + 1);
        stage.drains = true;
        struct change rows[9] = {{2049, 2049, 0, 2304, NONE, 0}};
        for (uint32_t n = 1; n < 8; n++) {
            rows[n] = (struct change){2049 + 256 * n, 2049 + 256 * n,         0,
                                      2304 + 256 * n, n <= k ? (int)n : NONE, 0};
        }
        rows[8] = (struct change){4097, 4097, 4096, 2048, NONE, ((1U << k) - 1) << 1};
        expect_rows(&stage, 1, 5000, rows, 9);
        leave(&stage);
    }
}

/*
 * Claim:   O5: of k healthy readers, one is signaled at the 2,305th message; each that has caught
 *          up runs cleanup, which signals the next in the order of slots; the last one's cleanup
 *          drops everything, and it starts over 2,305 messages later.
 * Method:  k = 8; after each insert, whoever is signaled reads everything and cleans up.
 */
Test(postgres_unit, o5_the_catchup_is_relayed_from_each_to_the_next)
{
    enum { READERS = 8 };
    struct stage stage = enter(READERS + 1);
    stage.drains = true;
    for (int64_t round = 0; round < 4; round++) {
        const int64_t min = 2305 * round;
        while (stage.sent < (uint64_t)(min + 2305 - 1)) {
            insert(&stage, 0, 1);
            drain(&stage, 0);
        }
        expect(&stage, 1, min, min + 2304, 2304, min, false, false);
        insert(&stage, 0, 1);
        drain(&stage, 0);
        for (uint32_t reader = 1; reader <= READERS; reader++) {
            expect(&stage, reader, min, min + 2305, 2560, min, false, true);
            drain(&stage, reader);
            sv_queue_cleanup(stage.backends[reader], 0);
        }
        expect(&stage, 0, min + 2305, min + 2305, 2048, min + 2305, false, false);
    }
    cr_assert_eq(counted(stage.segment, SV_STAT_catchups_sent), 4 * READERS);
    cr_assert_eq(counted(stage.segment, SV_STAT_resets_overflow), 0);
    leave(&stage);
}

/*
 * Claim:   O7: reset at the 4,097th message, told once, and going on at the end; with the state
 *          after each step as PostgreSQL has it.
 */
Test(postgres_unit, o7_a_reset_is_told_once_and_goes_on_at_the_end)
{
    struct stage stage = enter(1);
    insert(&stage, 0, 4096);
    expect(&stage, 0, 0, 4096, 4096, 0, false, true);
    insert(&stage, 0, 1);
    expect(&stage, 0, 4096, 4097, 2048, 0, true, true);
    insert(&stage, 0, 9);
    expect(&stage, 0, 4096, 4106, 2048, 0, true, true);
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, 4096, 4106, 2048, 4106, false, false);
    cr_assert_eq(get(&stage, 0, 32), 0);
    insert(&stage, 0, 3);
    expect(&stage, 0, 4096, 4109, 2048, 4106, false, false);
    cr_assert_eq(get(&stage, 0, 2), 2);
    expect(&stage, 0, 4096, 4109, 2048, 4108, false, false);
    cr_assert_eq(get(&stage, 0, 32), 1);
    cr_assert_eq(get(&stage, 0, 32), 0);
    expect(&stage, 0, 4096, 4109, 2048, 4109, false, false);
    leave(&stage);
}

/* O7b: stays marked for reset through 15,000 messages. */
Test(postgres_unit, o7_a_reset_backend_holds_nothing_back_however_long_it_sleeps)
{
    struct stage stage = enter(1);
    static const int64_t min[] = {4096, 8192, 14336};
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < 5000; n++) {
            insert(&stage, 0, 1);
        }
        expect(&stage, 0, min[i], 5000 * (i + 1), 2048, 0, true, true);
    }
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, 14336, 15000, 2048, 15000, false, false);
    cr_assert_eq(get(&stage, 0, 32), 0);
    leave(&stage);
}

/* Claim: O8, O8b, O8d, O8e: reads come in the sizes asked for, the last one short. */
Test(postgres_unit, o8_reads_in_parts)
{
    static const int parts[] = {32, 32, 32, 4, 0};
    struct stage stage = enter(1);
    insert(&stage, 0, 100);
    int64_t next = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        cr_assert_eq(get(&stage, 0, 32), parts[i], "part %zu", i);
        next += parts[i];
        expect(&stage, 0, 0, 100, 2048, next, false, false);
    }
    insert(&stage, 0, 64); /* an exact multiple */
    cr_assert_eq(get(&stage, 0, 32), 32);
    cr_assert_eq(get(&stage, 0, 32), 32);
    cr_assert_eq(get(&stage, 0, 32), 0);
    insert(&stage, 0, 5);
    cr_assert_eq(get(&stage, 0, 0), 0);
    expect(&stage, 0, 0, 169, 2048, 164, false, false);
    cr_assert_eq(get(&stage, 0, 32), 5);
    const struct figures before = look(&stage);
    sv_queue_insert(stage.backends[0], NULL, 0);
    cr_assert_eq(look(&stage).queue.published, before.queue.published);
    expect(&stage, 0, 0, 169, 2048, 169, false, false);
    leave(&stage);
}

/*
 * Claim:   O10: all numbers are lowered together by 2^30 once the minimum is past it, never before;
 *          a position of a backend marked for reset may become negative, and means nothing.
 * Method:  bases below, at and just before 2^30.
 */
Test(postgres_unit, o10_the_wraparound_under_a_writer_who_reads)
{
    struct stage stage = enter(1);
    stage.drains = true;
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND - 3000), 0);
    EXPECT_ROWS(&stage, 1, 10241, {2049, 1073740873, 1073740872, 2048, NONE, 0},
                {4097, 1097, 1096, 2048, NONE, 0}, {6145, 3145, 3144, 2048, NONE, 0},
                {8193, 5193, 5192, 2048, NONE, 0}, {10241, 7241, 7240, 2048, NONE, 0});
    cr_assert_eq(counted(stage.segment, SV_STAT_wraparounds), 1);
    leave(&stage);
}

Test(postgres_unit, o10_the_wraparound_from_just_before_it_and_from_it)
{
    struct stage stage = enter(1);
    stage.drains = true;
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND - 1), 0);
    EXPECT_ROWS(&stage, 1, 4999, {2049, 2048, 2047, 2048, NONE, 0},
                {4097, 4096, 4095, 2048, NONE, 0});
    expect(&stage, 0, 4095, 4998, 2048, 4998, false, false);
    leave(&stage);
    stage = enter(1);
    stage.drains = true;
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND), 0);
    EXPECT_ROWS(&stage, 1, 5000, {2049, 2049, 2048, 2048, NONE, 0},
                {4097, 4097, 4096, 2048, NONE, 0});
    expect(&stage, 0, 4096, 5000, 2048, 5000, false, false);
    leave(&stage);
}

Test(postgres_unit, o10_cleanup_of_an_empty_queue_wraps_exactly_at_the_wraparound)
{
    struct stage stage = enter(1);
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND - 1), 0);
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 0, WRAPAROUND - 1, WRAPAROUND - 1, 2048, WRAPAROUND - 1, false, false);
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND), 0);
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 0, 0, 0, 2048, 0, false, false);
    leave(&stage);
}

Test(postgres_unit, o10_the_wraparound_with_a_stalled_reader_leaves_it_a_negative_position)
{
    const int64_t base = WRAPAROUND - 3000;
    struct stage stage = enter(2);
    stage.drains = true;
    cr_assert_eq(sv_queue_set_base(stage.backends[0], (uint32_t)base), 0);
    EXPECT_ROWS(&stage, 1, 12000, {2049, 1073740873, base, 2304, NONE, 0},
                {2305, 1073741129, base, 2560, 1, 0}, {2561, 1073741385, base, 2816, NONE, 0},
                {2817, 1073741641, base, 3072, NONE, 0}, {3073, 1073741897, base, 3328, NONE, 0},
                {3329, 1073742153, base, 3584, NONE, 0}, {3585, 1073742409, base, 3840, NONE, 0},
                {3841, 1073742665, base, 4096, NONE, 0}, {4097, 1097, 1096, 2048, NONE, 2},
                {6145, 3145, 3144, 2048, NONE, 0}, {8193, 5193, 5192, 2048, NONE, 0},
                {10241, 7241, 7240, 2048, NONE, 0});
    expect(&stage, 1, 7240, 9000, 2048, -3000, true, true);
    cr_assert_eq(get(&stage, 1, 32), -1);
    expect(&stage, 1, 7240, 9000, 2048, 9000, false, false);
    leave(&stage);
}

/* Claim: O11: reset all marks the full and the caught up alike, and each is told. */
Test(postgres_unit, o11_reset_all_reaches_also_who_has_read_everything)
{
    struct stage stage = enter(1);
    insert(&stage, 0, 2500);
    expect(&stage, 0, 0, 2500, 2560, 0, false, true);
    sv_queue_reset_all(stage.backends[0]);
    expect(&stage, 0, 2500, 2500, 2048, 0, true, true);
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, 2500, 2500, 2048, 2500, false, false);
    cr_assert_eq(get(&stage, 0, 32), 0);
    sv_queue_reset_all(stage.backends[0]);
    expect(&stage, 0, 2500, 2500, 2048, 2500, true, false);
    insert(&stage, 0, 10);
    expect(&stage, 0, 2500, 2510, 2048, 2500, true, false);
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, 2500, 2510, 2048, 2510, false, false);
    cr_assert_eq(get(&stage, 0, 32), 0);
    leave(&stage);
}

/* Claim: O12: who joins has read everything; who leaves holds nothing back; slots are reused. */
Test(postgres_unit, o12_joining_and_leaving)
{
    struct stage stage = enter(4);
    for (int n = 0; n < 1000; n++) {
        insert(&stage, 0, 1);
        drain(&stage, 0);
    }
    stage.backends[4] = join(stage.segment);
    stage.count = 5;
    expect(&stage, 0, 0, 1000, 2048, 1000, false, false);
    expect(&stage, 1, 0, 1000, 2048, 0, false, false);
    expect(&stage, 4, 0, 1000, 2048, 1000, false, false);
    sv_backend_detach(stage.backends[1]);
    cr_assert_not(look(&stage).slots[1].in_queue);
    stage.backends[1] = join(stage.segment);
    cr_assert_eq(sv_backend_slot(stage.backends[1]), 1, "the free slot is taken again");
    expect(&stage, 1, 0, 1000, 2048, 1000, false, false);
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 2, 0, 1000, 2048, 0, false, false);
    for (uint32_t i = 2; i < 4; i++) {
        sv_backend_detach(stage.backends[i]);
        stage.backends[i] = NULL;
    }
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 0, 1000, 1000, 2048, 1000, false, false);
    leave(&stage);
}
