/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The oracles at their limits: what is just right beside what is just wrong, and every part of what
 * they look at.
 */
#include "oracle_support.h"

TestSuite(oracle_limits_unit, .timeout = 30);

/*
 * Claim:   O1 reports a value of which any bit is another than was written, though that makes one
 *          that was to be rolled back look as if it was not.
 * Method:  a value as it was made, and every bit of it turned.
 */
Test(oracle_limits_unit, o1_reports_every_bit_that_is_turned)
{
    enum { KEY = 3 };

    struct control control = control_of(4, 8);
    struct row_read read = {.key = KEY, .found = true, .version = 7};
    struct finding finding;
    uint32_t birth;
    cr_assert(control_birth(&control, 0, &birth));
    sv_store_seq32(&control.births[birth].commit_begun, 5);
    for (uint32_t doomed = 0; doomed < 2; doomed++) {
        read.value = row_value_make(birth, 5, 1, KEY, doomed != 0);
        const struct row_value whole = read.value;
        if (doomed == 0) {
            cr_assert(reads_judge(&control, &read, &finding), "%s", finding.message);
        } else {
            expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "rolled back");
        }
        for (uint32_t bit = 0; bit < 8 * sizeof(whole); bit++) {
            uint8_t bytes[sizeof(whole)];
            memcpy(bytes, &whole, sizeof(whole));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            memcpy(&read.value, bytes, sizeof(whole));
            expect(reads_judge(&control, &read, &finding), &finding, ORACLE_O1, "");
        }
    }
    control_destroy(&control);
}

/*
 * Claim:   O2 reports a message that comes twice after a reset as well: only the first one of a
 *          writer may be any.
 */
Test(oracle_limits_unit, o2_reports_what_comes_twice_after_a_reset)
{
    struct control control = control_of(2, 1);
    struct delivery delivery;
    struct finding finding;
    struct sv_message message = delivery_message(0, 8);
    uint32_t birth;
    cr_assert_eq(delivery_init(&delivery, &control), 0);
    cr_assert(control_birth(&control, 0, &birth));
    sv_store_seq32(&control.births[0].begun, 10);
    delivery.resets = 1;
    delivery_sync(&delivery);
    cr_assert(delivery_take(&delivery, &message, &finding), "%s", finding.message);
    expect(delivery_take(&delivery, &message, &finding), &finding, ORACLE_O2, "came twice");
    message = delivery_message(0, 7);
    expect(delivery_take(&delivery, &message, &finding), &finding, ORACLE_O2, "came twice");
    message = delivery_message(0, 9);
    cr_assert(delivery_take(&delivery, &message, &finding), "%s", finding.message);
    delivery_free(&delivery);
    control_destroy(&control);
}

/*
 * Claim:   O5 reports a storm as soon as more catchups were sent than were served, than half of
 *          these again, than births and 16 explain; or than there were cleanups.
 */
Test(oracle_limits_unit, o5_reports_one_catchup_too_many)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct finding finding;
    uint64_t stats[SV_STAT_COUNT] = {[SV_STAT_cleanups] = 1000,
                                     [SV_STAT_catchups_served] = 60,
                                     [SV_STAT_catchups_sent] = 60 + 30 + 4 + 16};
    cr_assert(judge_catchup(segment, stats, 4, &finding), "%s", finding.message);
    stats[SV_STAT_catchups_sent]++;
    expect(judge_catchup(segment, stats, 4, &finding), &finding, ORACLE_O5, "111 catchups sent");
    cr_assert(judge_catchup(segment, stats, 5, &finding), "%s", finding.message);
    stats[SV_STAT_cleanups] = stats[SV_STAT_relays] = 111;
    cr_assert(judge_catchup(segment, stats, 5, &finding), "%s", finding.message);
    stats[SV_STAT_cleanups]--;
    expect(judge_catchup(segment, stats, 5, &finding), &finding, ORACLE_O5, "for 110 cleanups");
    sv_segment_detach(segment);
}

/*
 * Claim:   O5 reports a baton that ended with somebody who is gone: who was to be given it, or was
 *          to give it.
 */
Test(oracle_limits_unit, o5_reports_a_baton_in_either_hand)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    const uint64_t stats[SV_STAT_COUNT] = {0};
    struct finding finding;
    struct sv_backend *self = join(segment);
    struct sv_slot *slot = &segment->slots[sv_backend_slot(self)];
    cr_assert(judge_catchup(segment, stats, 1, &finding), "%s", finding.message);
    sv_store_seq32(&slot->catchup_target, 1);
    expect(judge_catchup(segment, stats, 1, &finding), &finding, ORACLE_O5, "baton");
    sv_store_seq32(&slot->catchup_target, 0);
    sv_store_seq32(&slot->signaled, 1);
    expect(judge_catchup(segment, stats, 1, &finding), &finding, ORACLE_O5, "baton");
    sv_store_seq32(&slot->signaled, 0);
    cr_assert(judge_catchup(segment, stats, 1, &finding), "%s", finding.message);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

static int die_with_a_lock(struct sv_segment *segment, void *argument)
{
    const enum sv_lock_mode *mode = argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    sv_lwlock_acquire(self, SV_LOCK_APP_0, *mode);
    return 0;
}

/*
 * Claim:   the supervisor sees how long the longest of them has been waiting who wait for a lock of
 *          the dead, counted from the death at the earliest: be it held in either mode, but not of
 *          who waits for another lock, and no more once the dead is buried (K1).
 * Method:  a child that dies with the lock, and two waiters who say since when.
 */
Test(oracle_limits_unit, o6_sees_the_longest_wait_for_the_dead)
{
    enum { DEAD_NS = 100, NOW_NS = 1000 };

    static enum sv_lock_mode modes[] = {SV_LOCK_SHARED, SV_LOCK_EXCLUSIVE};

    for (size_t i = 0; i < 2; i++) {
        struct sv_segment *segment = world((struct sv_config){.capacity = 16});
        struct sv_backend *waiters[] = {join(segment), join(segment)};
        struct sv_slot *one = &segment->slots[sv_backend_slot(waiters[0])];
        struct sv_slot *two = &segment->slots[sv_backend_slot(waiters[1])];
        sv_store_seq32(&one->waits_for_lock, SV_LOCK_APP_0 + 1);
        sv_store_seq64(&one->waits_since_ns, 700);
        cr_expect_eq(longest_wait_for_dead(segment, DEAD_NS, NOW_NS), 0, "nobody is dead");
        cr_assert_eq(reap(fork_child(die_with_a_lock, segment, &modes[i])), 0);
        cr_expect_eq(longest_wait_for_dead(segment, DEAD_NS, NOW_NS), 300);
        sv_store_seq32(&two->waits_for_lock, SV_LOCK_WRITE + 1);
        sv_store_seq64(&two->waits_since_ns, 400);
        cr_expect_eq(longest_wait_for_dead(segment, DEAD_NS, NOW_NS), 300, "not for that lock");
        sv_store_seq32(&two->waits_for_lock, SV_LOCK_APP_0 + 1);
        cr_expect_eq(longest_wait_for_dead(segment, DEAD_NS, NOW_NS), 600);
        sv_store_seq64(&two->waits_since_ns, 50);
        cr_expect_eq(longest_wait_for_dead(segment, DEAD_NS, NOW_NS), 900, "since the death");
        sv_store_seq32(&one->waits_for_lock, 0);
        sv_store_seq32(&two->waits_for_lock, 0);
        cr_expect_eq(longest_wait_for_dead(segment, DEAD_NS, NOW_NS), 0, "nobody waits");
        sv_backend_detach(waiters[0]);
        sv_backend_detach(waiters[1]);
        sv_segment_detach(segment);
    }
}

/*
 * Claim:   a slot whose backend is buried but not yet settled is one that nobody has settled.
 * Method:  the phase that says so, of a slot whose life lock names its backend.
 */
Test(oracle_limits_unit, o6_sees_who_is_still_to_be_settled)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 16});
    struct sv_backend *self = join(segment);
    struct sv_slot *slot = &segment->slots[sv_backend_slot(self)];
    const uint32_t phase = sv_load_seq32(&slot->phase);
    cr_expect_eq(unsettled_slots(segment), 0);
    sv_store_seq32(&slot->phase, SV_SLOT_DEAD);
    cr_expect_eq(unsettled_slots(segment), 1);
    sv_store_seq32(&slot->phase, phase);
    cr_expect_eq(unsettled_slots(segment), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
