/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Statistics: names, one slot, all slots.
 */
#include "shm/segment.h"
#include "support.h"

TestSuite(stat_unit, .timeout = 60);

/*
 * Claim:   every counter has a name and a text of its own.
 */
Test(stat_unit, every_counter_is_named)
{
    cr_assert_str_eq(sv_stat_name(SV_STAT_inserted), "inserted");
    cr_assert_str_eq(sv_stat_text(SV_STAT_cache_invalidated), "cache entries invalidated");
    for (int i = 0; i < SV_STAT_COUNT; i++) {
        cr_assert_gt(strlen(sv_stat_name((enum sv_stat)i)), 3);
        cr_assert_gt(strlen(sv_stat_text((enum sv_stat)i)), 3);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(sv_stat_name((enum sv_stat)i), sv_stat_name((enum sv_stat)j));
            cr_assert_str_neq(sv_stat_text((enum sv_stat)i), sv_stat_text((enum sv_stat)j));
        }
    }
}

Test(stat_unit, a_counter_that_does_not_exist_has_no_name, .signal = SIGABRT)
{
    (void)sv_stat_name(SV_STAT_COUNT);
}

Test(stat_unit, a_slot_that_does_not_exist_has_no_counters, .signal = SIGABRT)
{
    uint64_t counters[SV_STAT_COUNT];
    sv_stat_slot(world((struct sv_config){.backends_max = 2}), 2, counters);
}

/*
 * Claim:   each slot counts for itself, the total is their sum, and what an occupant counted stays
 *          when it leaves.
 * Method:  slot s counts s + 1 for each counter c, c + 1 times; three slots of four are used.
 */
Test(stat_unit, slots_count_for_themselves)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4});
    struct sv_backend *selves[] = {join(segment), join(segment), join(segment)};
    uint64_t before[4][SV_STAT_COUNT];
    uint64_t counters[SV_STAT_COUNT];
    for (uint32_t s = 0; s < 4; s++) {
        sv_stat_slot(segment, s, before[s]);
    }
    for (uint32_t s = 0; s < 3; s++) {
        for (uint32_t c = 0; c < SV_STAT_COUNT; c++) {
            for (uint32_t i = 0; i <= c; i++) {
                sv_stat_add(sv_segment_slot(segment, s), (enum sv_stat)c, s + 1);
            }
        }
    }
    for (uint32_t s = 0; s < 4; s++) {
        sv_stat_slot(segment, s, counters);
        for (uint32_t c = 0; c < SV_STAT_COUNT; c++) {
            cr_expect_eq(counters[c] - before[s][c], s < 3 ? (uint64_t)(s + 1) * (c + 1) : 0);
        }
    }
    const uint64_t attaches = counted(segment, SV_STAT_attaches);
    cr_expect_eq(attaches, 3 + 6 * (SV_STAT_attaches + 1));
    for (int s = 0; s < 3; s++) {
        sv_backend_detach(selves[s]);
    }
    cr_expect_eq(counted(segment, SV_STAT_attaches), attaches, "leaving took counters along");
    struct sv_backend *next = join(segment);
    cr_expect_eq(counted(segment, SV_STAT_attaches), attaches + 1);
    sv_backend_detach(next);
    sv_segment_detach(segment);
}
