/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL's own figures: signals, resets, the relay, and reads in parts.
 */
#include "postgres_scene.h"

TestSuite(postgres_unit, .timeout = 60);

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
        expect(&stage, 0, (struct seen){8192, total, 2048, total, false, false});
        expect(&stage, 1, (struct seen){8192, total, 2048, 0, true, true});
        cr_assert_eq(get(&stage, 1, 64), -1);
        expect(&stage, 1, (struct seen){8192, total, 2048, total, false, false});
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
    expect(&stage, 1, (struct seen){8000, 9000, 2048, 0, true, true});
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
        expect(&stage, 1, (struct seen){min, min + 2304, 2304, min, false, false});
        insert(&stage, 0, 1);
        drain(&stage, 0);
        for (uint32_t reader = 1; reader <= READERS; reader++) {
            expect(&stage, reader, (struct seen){min, min + 2305, 2560, min, false, true});
            drain(&stage, reader);
            sv_queue_cleanup(stage.backends[reader], 0);
        }
        expect(&stage, 0, (struct seen){min + 2305, min + 2305, 2048, min + 2305, false, false});
    }
    cr_assert_eq(counted(stage.segment, SV_STAT_catchups_sent), UINT64_C(4) * READERS);
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
    expect(&stage, 0, (struct seen){0, 4096, 4096, 0, false, true});
    insert(&stage, 0, 1);
    expect(&stage, 0, (struct seen){4096, 4097, 2048, 0, true, true});
    insert(&stage, 0, 9);
    expect(&stage, 0, (struct seen){4096, 4106, 2048, 0, true, true});
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, (struct seen){4096, 4106, 2048, 4106, false, false});
    cr_assert_eq(get(&stage, 0, 32), 0);
    insert(&stage, 0, 3);
    expect(&stage, 0, (struct seen){4096, 4109, 2048, 4106, false, false});
    cr_assert_eq(get(&stage, 0, 2), 2);
    expect(&stage, 0, (struct seen){4096, 4109, 2048, 4108, false, false});
    cr_assert_eq(get(&stage, 0, 32), 1);
    cr_assert_eq(get(&stage, 0, 32), 0);
    expect(&stage, 0, (struct seen){4096, 4109, 2048, 4109, false, false});
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
        expect(&stage, 0, (struct seen){min[i], INT64_C(5000) * (i + 1), 2048, 0, true, true});
    }
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, (struct seen){14336, 15000, 2048, 15000, false, false});
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
        expect(&stage, 0, (struct seen){0, 100, 2048, next, false, false});
    }
    insert(&stage, 0, 64); /* an exact multiple */
    cr_assert_eq(get(&stage, 0, 32), 32);
    cr_assert_eq(get(&stage, 0, 32), 32);
    cr_assert_eq(get(&stage, 0, 32), 0);
    insert(&stage, 0, 5);
    cr_assert_eq(get(&stage, 0, 0), 0);
    expect(&stage, 0, (struct seen){0, 169, 2048, 164, false, false});
    cr_assert_eq(get(&stage, 0, 32), 5);
    const struct figures before = look(&stage);
    sv_queue_insert(stage.backends[0], NULL, 0);
    cr_assert_eq(look(&stage).queue.published, before.queue.published);
    expect(&stage, 0, (struct seen){0, 169, 2048, 169, false, false});
    leave(&stage);
}
