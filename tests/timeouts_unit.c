/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Timeouts that are longer than a test may last, and sleeps that fail.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "own_clock.h"
#include "sinval/postmaster.h"
#include "sync/lock_watch.h"

TestSuite(timeouts_unit, .timeout = 60);

#define NS_PER_MS UINT64_C(1000000)

/* Around 2^32 ns (4294.967296 ms), the longest that there is, and one of everyday. */
static const int timeouts_ms[] = {1, 4294, 4295, 4300, 3600000};

#define TIMEOUTS (sizeof(timeouts_ms) / sizeof(timeouts_ms[0]))

/* Ends after the timeout that was asked for, which counts from the call, and not before. */
static void assert_slept(uint64_t slept_ns, int timeout_ms)
{
    const uint64_t asked_ns = (uint64_t)timeout_ms * NS_PER_MS;
    cr_assert(slept_ns >= asked_ns && slept_ns <= asked_ns + NS_PER_MS,
              "asked for %d ms, slept for %" PRIu64 " ns", timeout_ms, slept_ns);
}

/*
 * Claim:   a latch wait lasts as long as it was asked to, also with descriptors.
 * Method:  short and long timeouts by the test's own clock.
 */
Test(timeouts_unit, a_latch_wait_lasts_for_its_timeout)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    for (size_t i = 0; i < 2 * TIMEOUTS; i++) {
        struct sv_latch_wait wait = {
            .timeout_ms = timeouts_ms[i / 2], .wait_readable = i % 2 == 1, .readable_fd = ends[0]};
        own_clock_begin();
        const int result = sv_latch_wait(self, &wait);
        assert_slept(own_clock_end(), wait.timeout_ms);
        cr_assert(result == 0 && wait.timed_out && !wait.is_set && !wait.readable);
    }
    cr_assert_eq(close(ends[0]) + close(ends[1]), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a barrier waits as long as it was asked to, and nobody is said to wait for it then.
 * Method:  a backend of this thread that does not pass; short and long timeouts.
 */
Test(timeouts_unit, a_barrier_waits_for_its_timeout)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_backend *late = join(segment);
    for (size_t i = 0; i < TIMEOUTS; i++) {
        own_clock_begin();
        const int result = sv_procsignal_barrier(self, timeouts_ms[i]);
        assert_slept(own_clock_end(), timeouts_ms[i]);
        cr_assert_eq(result, SV_TIMEOUT);
        cr_assert_eq(sv_load_seq32(&self->slot->barrier_waiter), 0);
    }
    sv_backend_detach(late);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* ---- postmasters ----------------------------------------------------------------------------- */

enum { STARTED }; /* words of the meeting */

static int outlive_sigterm(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)segment;
    if (signal(SIGTERM, SIG_IGN) == SIG_ERR) {
        return 1;
    }
    advance(&meeting->words[STARTED]);
    sleep_for_ever();
}

/*
 * Claim:   a postmaster waits for a death as long as it was asked to, and gives its children the
 *          whole grace when it stops.
 * Method:  a child that does not end by itself, nor of SIGTERM; short and long timeouts.
 */
Test(timeouts_unit, a_postmaster_waits_for_its_timeout_and_gives_its_grace)
{
    struct sv_segment *segment = world((struct sv_config){0});
    for (size_t i = 0; i < TIMEOUTS; i++) {
        struct meeting *meeting = meet();
        const struct sv_child what = {.run = outlive_sigterm, .argument = meeting};
        struct sv_postmaster *postmaster = NULL;
        struct sv_child_exit end;
        uint32_t child = 0;
        cr_assert_eq(sv_postmaster_create(segment, &postmaster), 0);
        cr_assert_eq(sv_postmaster_start(postmaster, &what, &child), 0);
        await(&meeting->words[STARTED], 1);
        own_clock_begin();
        const int result = sv_postmaster_wait(postmaster, timeouts_ms[i], &end);
        assert_slept(own_clock_end(), timeouts_ms[i]);
        cr_assert_eq(result, SV_TIMEOUT);
        own_clock_begin();
        sv_postmaster_stop(postmaster, timeouts_ms[i]);
        assert_slept(own_clock_end(), timeouts_ms[i]);
        cr_assert_eq(munmap(meeting, sizeof(*meeting)), 0);
    }
    sv_segment_detach(segment);
}

/*
 * Claim:   locks are looked at each quarter of the limit, however long that is.
 * Method:  what a look says of the next one.
 */
Test(timeouts_unit, a_lock_watch_looks_each_quarter_of_its_limit)
{
    for (size_t i = 0; i < TIMEOUTS; i++) {
        struct sv_segment *segment =
            world((struct sv_config){.lock_hold_max_ms = (uint32_t)timeouts_ms[i]});
        struct sv_postmaster *postmaster = NULL;
        cr_assert_eq(sv_postmaster_create(segment, &postmaster), 0);
        own_clock_begin();
        own_clock.slept_ns = UINT64_C(10000) * NS_PER_S; /* long after the last look */
        const uint64_t next_ns = sv_lock_watch_look(segment);
        (void)own_clock_end();
        cr_assert_eq(next_ns, (uint64_t)timeouts_ms[i] * NS_PER_MS / 4, "of %d ms: %" PRIu64,
                     timeouts_ms[i], next_ns);
        sv_postmaster_stop(postmaster, 0);
        sv_segment_detach(segment);
    }
}

/* ---- polls that fail ------------------------------------------------------------------------- */

/*
 * Claim:   a poll that fails fails the wait, with the out fields right, whether it only looked or
 *          slept; and who no longer sleeps is not said to.
 * Method:  the system has no memory for a poll; once with the latch set, which needs no sleep.
 */
Test(timeouts_unit, a_poll_that_fails_fails_the_wait)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    for (int sleeps = 0; sleeps < 2; sleeps++) {
        struct sv_latch_wait wait = {
            .timeout_ms = -1, .wait_readable = true, .readable_fd = ends[0]};
        if (sleeps == 0) {
            sv_latch_set_own(self);
        } else {
            sv_latch_reset(self);
        }
        own_clock_begin();
        own_clock.look_error = sleeps == 0 ? ENOMEM : 0;
        own_clock.sleep_error = ENOMEM;
        const int result = sv_latch_wait(self, &wait);
        (void)own_clock_end();
        cr_assert_eq(result, -ENOMEM, "sleeps %d: %d", sleeps, result);
        cr_assert(wait.is_set == (sleeps == 0) && !wait.readable && !wait.timed_out);
        cr_assert_eq(sv_load_seq32(&self->slot->sleep), SV_AWAKE);
    }
    cr_assert_eq(close(ends[0]) + close(ends[1]), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
