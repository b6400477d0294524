/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which ends of executions have been judged, and which leave what they should.
 */
#include "faults/explore/ends.h"
#include "support.h"

TestSuite(ends_sched, .timeout = 60);

static uint64_t left;

uint64_t state_left(void)
{
    return left;
}

/*
 * Claim:   an end is known until another one takes its place, or it is forgotten; and never taken
 *          for that other one.
 */
Test(ends_sched, an_end_is_taken_for_no_other)
{
    static struct ends ends;

    for (uint64_t key = 1; key < (uint64_t)4 * ENDS_KEPT; key += ENDS_KEPT / 8 + 1) {
        cr_expect_eq(ends_look(&ends, key, key), ENDS_NEW);
        cr_expect_eq(ends_look(&ends, key, key), ENDS_JUDGED);
        cr_expect_eq(ends_look(&ends, key, key + 1), ENDS_NEW, "of that order, another end");
        cr_expect_eq(ends_look(&ends, key + ENDS_KEPT, key + 2), ENDS_NEW, "of another order");
        cr_expect_eq(ends_look(&ends, key, key), ENDS_NEW);
        ends_forget(&ends, key);
        cr_expect_eq(ends_look(&ends, key, key), ENDS_NEW);
    }
}

/* Claim: of one end in ENDS_CHECK_EVERY it is known what it has left, and each time it is that. */
Test(ends_sched, what_is_left_is_looked_at_again)
{
    static struct ends ends;

    for (uint64_t key = ENDS_CHECK_EVERY; key < (uint64_t)4 * ENDS_CHECK_EVERY; key++) {
        left = key;
        cr_expect_eq(ends_look(&ends, key, key + 7), ENDS_NEW);
        cr_expect_eq(ends_look(&ends, key, key + 7), ENDS_JUDGED);
        left = key + 1;
        cr_expect_eq(ends_look(&ends, key, key + 7),
                     key % ENDS_CHECK_EVERY == 0 ? ENDS_ODD : ENDS_JUDGED);
    }
}
