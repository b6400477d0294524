/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * How soon the living settle the dead, whatever they did before: by the test's own clock.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "own_clock.h"

TestSuite(patrol_crash, .timeout = 60);

#define A_TENTH_OF_A_SECOND (NS_PER_S / 10)
#define CROWD               10

/* Who helps, and so many others that one look at a single slot does not find the dead by chance. */
struct street {
    struct sv_segment *segment;
    struct sv_backend *helper;
    struct sv_backend *crowd[CROWD];
};

static struct street move_in(void)
{
    struct street street = {.segment = world((struct sv_config){.backends_max = CROWD + 2})};
    own_clock_begin();
    street.helper = join(street.segment);
    for (uint32_t i = 0; i < CROWD; i++) {
        street.crowd[i] = join(street.segment);
    }
    return street;
}

static void move_out(struct street *street)
{
    (void)own_clock_end();
    for (uint32_t i = 0; i < CROWD; i++) {
        sv_backend_detach(street->crowd[i]);
    }
    sv_backend_detach(street->helper);
    sv_segment_detach(street->segment);
}

static int attach_and_die(struct sv_segment *segment, void *argument)
{
    (void)argument;
    (void)attach_here(segment, 0);
    return raise(SIGKILL);
}

/* Somebody dies in the last slot, and a tenth of a second passes. */
static void let_one_die(const struct street *street)
{
    const int status = reap(fork_child(attach_and_die, street->segment, NULL));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", (unsigned)status);
    own_clock.slept_ns += A_TENTH_OF_A_SECOND;
}

static void accept_so_often(const struct street *street, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++) {
        cr_assert_eq(sv_accept_messages(street->helper), 0);
    }
}

/*
 * Claim:   128 accepts settle who has died, however often was accepted before (H5).
 * Method:  none to a thousand accepts, the death, 100 ms, and 128 more; nothing is in the queue.
 */
Test(patrol_crash, a_hundred_and_twenty_eight_accepts_settle_the_dead_at_any_time)
{
    static const uint32_t before[] = {0, 1, 127, 128, 200, 1000};
    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
        struct street street = move_in();
        accept_so_often(&street, before[i]);
        let_one_die(&street);
        accept_so_often(&street, 128);
        const uint64_t settled = counted(street.segment, SV_STAT_slots_settled);
        cr_assert_eq(settled, 1, "not after %u accepts", before[i]);
        move_out(&street);
    }
}

/*
 * Claim:   the first begin 100 ms after a death settles it, and not the first time only (H5).
 * Method:  five deaths, 100 ms and one begin after each.
 */
Test(patrol_crash, each_begin_after_a_tenth_of_a_second_settles_the_dead)
{
    struct street street = move_in();
    for (uint64_t deaths = 1; deaths <= 5; deaths++) {
        let_one_die(&street);
        cr_assert_eq(sv_transaction_begin(street.helper, NULL), 0);
        sv_transaction_rollback(street.helper);
        const uint64_t settled = counted(street.segment, SV_STAT_slots_settled);
        cr_assert_eq(settled, deaths, "%" PRIu64 " of %" PRIu64, settled, deaths);
    }
    move_out(&street);
}
