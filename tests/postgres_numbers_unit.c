/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL's own figures: the wraparound, reset all, joining and leaving.
 */
#include "postgres_scene.h"

TestSuite(postgres_numbers_unit, .timeout = 60);

/*
 * Claim:   O10: all numbers are lowered together by 2^30 once the minimum is past it, never before;
 *          a position of a backend marked for reset may become negative, and means nothing.
 * Method:  bases below, at and just before 2^30.
 */
Test(postgres_numbers_unit, o10_the_wraparound_under_a_writer_who_reads)
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

Test(postgres_numbers_unit, o10_the_wraparound_from_just_before_it_and_from_it)
{
    struct stage stage = enter(1);
    stage.drains = true;
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND - 1), 0);
    EXPECT_ROWS(&stage, 1, 4999, {2049, 2048, 2047, 2048, NONE, 0},
                {4097, 4096, 4095, 2048, NONE, 0});
    expect(&stage, 0, (struct seen){4095, 4998, 2048, 4998, false, false});
    leave(&stage);
    stage = enter(1);
    stage.drains = true;
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND), 0);
    EXPECT_ROWS(&stage, 1, 5000, {2049, 2049, 2048, 2048, NONE, 0},
                {4097, 4097, 4096, 2048, NONE, 0});
    expect(&stage, 0, (struct seen){4096, 5000, 2048, 5000, false, false});
    leave(&stage);
}

Test(postgres_numbers_unit, o10_cleanup_of_an_empty_queue_wraps_exactly_at_the_wraparound)
{
    struct stage stage = enter(1);
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND - 1), 0);
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 0,
           (struct seen){WRAPAROUND - 1, WRAPAROUND - 1, 2048, WRAPAROUND - 1, false, false});
    cr_assert_eq(sv_queue_set_base(stage.backends[0], WRAPAROUND), 0);
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 0, (struct seen){0, 0, 2048, 0, false, false});
    leave(&stage);
}

Test(postgres_numbers_unit, o10_the_wraparound_with_a_stalled_reader_leaves_it_a_negative_position)
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
    expect(&stage, 1, (struct seen){7240, 9000, 2048, -3000, true, true});
    cr_assert_eq(get(&stage, 1, 32), -1);
    expect(&stage, 1, (struct seen){7240, 9000, 2048, 9000, false, false});
    leave(&stage);
}

/* Claim: O11: reset all marks the full and the caught up alike, and each is told. */
Test(postgres_numbers_unit, o11_reset_all_reaches_also_who_has_read_everything)
{
    struct stage stage = enter(1);
    insert(&stage, 0, 2500);
    expect(&stage, 0, (struct seen){0, 2500, 2560, 0, false, true});
    sv_queue_reset_all(stage.backends[0]);
    expect(&stage, 0, (struct seen){2500, 2500, 2048, 0, true, true});
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, (struct seen){2500, 2500, 2048, 2500, false, false});
    cr_assert_eq(get(&stage, 0, 32), 0);
    sv_queue_reset_all(stage.backends[0]);
    expect(&stage, 0, (struct seen){2500, 2500, 2048, 2500, true, false});
    insert(&stage, 0, 10);
    expect(&stage, 0, (struct seen){2500, 2510, 2048, 2500, true, false});
    cr_assert_eq(get(&stage, 0, 32), -1);
    expect(&stage, 0, (struct seen){2500, 2510, 2048, 2510, false, false});
    cr_assert_eq(get(&stage, 0, 32), 0);
    leave(&stage);
}

/* Claim: O12: who joins has read everything; who leaves holds nothing back; slots are reused. */
Test(postgres_numbers_unit, o12_joining_and_leaving)
{
    struct stage stage = enter(4);
    for (int n = 0; n < 1000; n++) {
        insert(&stage, 0, 1);
        drain(&stage, 0);
    }
    stage.backends[4] = join(stage.segment);
    stage.count = 5;
    expect(&stage, 0, (struct seen){0, 1000, 2048, 1000, false, false});
    expect(&stage, 1, (struct seen){0, 1000, 2048, 0, false, false});
    expect(&stage, 4, (struct seen){0, 1000, 2048, 1000, false, false});
    sv_backend_detach(stage.backends[1]);
    cr_assert_not(look(&stage).slots[1].in_queue);
    stage.backends[1] = join(stage.segment);
    cr_assert_eq(sv_backend_slot(stage.backends[1]), 1, "the free slot is taken again");
    expect(&stage, 1, (struct seen){0, 1000, 2048, 1000, false, false});
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 2, (struct seen){0, 1000, 2048, 0, false, false});
    for (uint32_t i = 2; i < 4; i++) {
        sv_backend_detach(stage.backends[i]);
        stage.backends[i] = NULL;
    }
    sv_queue_cleanup(stage.backends[0], 0);
    expect(&stage, 0, (struct seen){1000, 1000, 2048, 1000, false, false});
    leave(&stage);
}
