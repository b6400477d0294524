/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Latches: what ends a wait, and what does not.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <sched.h>

#include "endless.h"

TestSuite(latch_unit, .timeout = 60);

#define NS_PER_MS UINT64_C(1000000)

/*
 * Claim:   a set latch ends a wait at once, and stays set until it is reset.
 * Method:  one backend; two waits without a timeout on a latch that is set; then a look at it.
 */
Test(latch_unit, a_set_latch_ends_waits_until_it_is_reset)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    sv_latch_set(segment, sv_backend_slot(self));
    for (int i = 0; i < 2; i++) {
        struct sv_latch_wait wait = {.timeout_ms = -1};
        cr_assert_eq(sv_latch_wait(self, &wait), 0);
        cr_assert(wait.is_set && !wait.timed_out && !wait.readable && !wait.postmaster_dead);
    }
    sv_latch_reset(self);
    struct sv_latch_wait wait = {.timeout_ms = 0, .is_set = true};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(!wait.is_set && wait.timed_out);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

/*
 * Claim:   a set latch does not hide a readable descriptor (PostgreSQL: 73f6b9a3b0).
 * Method:  both are true before the wait; both are reported; then each alone.
 */
Test(latch_unit, a_set_latch_and_a_readable_descriptor_are_both_reported)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    sv_latch_set_own(self);
    struct sv_latch_wait wait = {.timeout_ms = -1, .wait_readable = true, .readable_fd = ends[0]};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.is_set && wait.readable && !wait.timed_out);
    sv_latch_reset(self);
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(!wait.is_set && wait.readable);
    char byte = 0;
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    sv_latch_set_own(self);
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.is_set && !wait.readable);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a readable descriptor does not hide that the postmaster is dead, nor the other way round;
 *          nor does a set latch hide either.
 * Method:  a segment without a postmaster, which counts as a dead one, and a pipe with a byte in it;
 *          the latch as it is, reset, and set.
 */
Test(latch_unit, all_that_has_happened_is_reported)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    for (int set = 0; set < 2; set++) {
        struct sv_latch_wait wait = {.timeout_ms = -1,
                                     .wait_readable = true,
                                     .readable_fd = ends[0],
                                     .wait_postmaster = true};
        sv_latch_reset(self);
        if (set == 1) {
            sv_latch_set_own(self);
        }
        cr_assert_eq(sv_latch_wait(self, &wait), 0);
        cr_assert(wait.readable && wait.postmaster_dead && !wait.timed_out);
        cr_assert_eq(wait.is_set, set == 1);
    }
    cr_assert_eq(close(ends[0]) + close(ends[1]), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

struct writer {
    struct sv_segment *segment;
    int ends[2];
    bool hang_up; /* instead of writing */
};

/* Once the parent, slot 0, sleeps: write to it, or hang up. */
static int end_its_poll(struct sv_segment *segment, void *argument)
{
    const struct writer *writer = argument;
    await_exactly(&segment->slots[0].sleep, SV_ASLEEP_IN_POLL);
    if (!writer->hang_up && write(writer->ends[1], "x", 1) != 1) {
        return 1;
    }
    return 0; /* its end of the pipe, the last one, is closed */
}

static void wait_for_pipe(bool hang_up)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct writer writer = {.segment = segment, .hang_up = hang_up};
    cr_assert_eq(pipe(writer.ends), 0);
    const pid_t pid = fork_child(end_its_poll, segment, &writer);
    cr_assert_eq(close(writer.ends[1]), 0);
    endless = true;
    struct sv_latch_wait wait = {
        .timeout_ms = -1, .wait_readable = true, .readable_fd = writer.ends[0]};
    const int result = sv_latch_wait(self, &wait);
    endless = false;
    cr_assert_eq(result, 0);
    cr_assert(wait.readable && !wait.is_set && !wait.timed_out);
    assert_exited(reap(pid), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   what is written to a descriptor ends a sleep that has begun.
 * Method:  a child writes once it sees the sleep.
 */
Test(latch_unit, a_descriptor_that_becomes_readable_ends_the_sleep)
{
    wait_for_pipe(false);
}

/*
 * Claim:   an end that hangs up counts as readable (PostgreSQL: 6eb2be15b5, b2b4af535e).
 * Method:  a child that has the only writing end exits without writing, once it sees the sleep.
 */
Test(latch_unit, a_hang_up_ends_the_sleep)
{
    wait_for_pipe(true);
}

/* ---- timeouts -------------------------------------------------------------------------------- */

enum { STOP, SENT };

static int signal_steadily(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)segment;
    while (sv_load_acquire32(&meeting->words[STOP]) == 0) {
        if (kill(getppid(), SIGUSR1) != 0) {
            return 1;
        }
        (void)sv_fetch_add_seq32(&meeting->words[SENT], 1);
        (void)sched_yield();
    }
    return 0;
}

static void time_out_under_signals(int readable_fd)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    struct meeting *meeting = meet();
    const pid_t pid = fork_child(signal_steadily, segment, meeting);
    await(&meeting->words[SENT], 10);
    const uint32_t sent = sv_load_acquire32(&meeting->words[SENT]);
    const uint64_t before_ns = sv_os_now_ns();
    struct sv_latch_wait wait = {
        .timeout_ms = 250, .wait_readable = readable_fd >= 0, .readable_fd = readable_fd};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.timed_out && !wait.is_set);
    cr_assert_geq(sv_os_now_ns() - before_ns, 250 * NS_PER_MS);
    cr_assert_gt(sv_load_acquire32(&meeting->words[SENT]), sent + 10, "hardly any signal came");
    advance(&meeting->words[STOP]);
    assert_exited(reap(pid), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a timeout counts from the call, also when signals interrupt the sleep all the time
 *          (PostgreSQL: 3e7fdcffd6); a signal without a reason does not set the latch.
 * Method:  a child signals until told to stop, which it is after the wait: a timeout that starts
 *          anew with each signal never ends.
 */
Test(latch_unit, steady_signals_do_not_restart_the_timeout_of_a_wait)
{
    time_out_under_signals(-1);
}

/* The same for a poll. */
Test(latch_unit, steady_signals_do_not_restart_the_timeout_of_a_poll)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    time_out_under_signals(ends[0]);
}

/*
 * Claim:   what a wait says is of this wait: a timeout of the one before is forgotten, and so is
 *          all that had happened then.
 * Method:  the same struct for a wait that times out, one that the latch ends, and one that times
 *          out again.
 */
Test(latch_unit, a_wait_forgets_how_the_one_before_ended)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_latch_wait wait = {.timeout_ms = 0};
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            sv_latch_set_own(self);
        } else {
            sv_latch_reset(self);
        }
        cr_assert_eq(sv_latch_wait(self, &wait), 0);
        cr_assert(wait.is_set == (i == 1) && wait.timed_out == (i != 1), "wait %d", i);
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* ---- signals --------------------------------------------------------------------------------- */

enum { ATTACHED, SERVED };

static int count_served(struct sv_backend *self, void *argument)
{
    struct meeting *meeting = argument;
    (void)self;
    advance(&meeting->words[SERVED]);
    return 0;
}

/* Sleep in a poll without end until asked for APP_0 once. */
static int serve_one(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    int ends[2];
    struct sv_backend *self = attach_here(segment, SIGUSR2);
    sv_procsignal_set_callback(self, SV_REASON_APP_0, count_served, meeting);
    if (pipe(ends) != 0) {
        return 1;
    }
    advance(&meeting->words[ATTACHED]);
    endless = true;
    while (sv_load_acquire32(&meeting->words[SERVED]) == 0) {
        struct sv_latch_wait wait = {
            .timeout_ms = -1, .wait_readable = true, .readable_fd = ends[0]};
        if (sv_latch_wait(self, &wait) != 0 || !wait.is_set || wait.readable) {
            return 2;
        }
        sv_latch_reset(self);
    }
    endless = false;
    sv_backend_detach(self);
    return 0;
}

/*
 * Claim:   a reason that is sent to a sleeper ends its sleep, and is served before the wait
 *          returns.
 * Method:  the sender waits for the sleep to begin; the sleep has no other end.
 */
Test(latch_unit, interrupts_are_processed_before_the_wait_returns)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    const pid_t pid = fork_child(serve_one, segment, meeting);
    await(&meeting->words[ATTACHED], 1);
    await_exactly(&segment->slots[1].sleep, SV_ASLEEP_IN_POLL);
    cr_assert_eq(sv_procsignal_send(self, 1, SV_REASON_APP_0), 0);
    await(&meeting->words[SERVED], 1);
    assert_exited(reap(pid), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a reason that is pending is served by a wait although the latch was reset by somebody
 *          who did not look for it (PostgreSQL: 2ddb9149d1, 78aaa0e823).
 * Method:  send to oneself, reset, then only look.
 */
Test(latch_unit, a_pending_reason_is_served_though_its_latch_was_reset)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    sv_procsignal_set_callback(self, SV_REASON_APP_0, count_served, meeting);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
    sv_latch_reset(self);
    struct sv_latch_wait wait = {.timeout_ms = 0};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert_eq(sv_load_acquire32(&meeting->words[SERVED]), 1);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a failed callback fails the wait, with the out fields right, and is called again.
 * Method:  a callback that fails once; the wait must not sleep, since the latch is set.
 */
static int fail_once(struct sv_backend *self, void *argument)
{
    struct meeting *meeting = argument;
    (void)self;
    advance(&meeting->words[SERVED]);
    return sv_load_acquire32(&meeting->words[SERVED]) == 1 ? -EIO : 0;
}

Test(latch_unit, a_failed_callback_fails_the_wait_and_is_called_again)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    sv_procsignal_set_callback(self, SV_REASON_APP_1, fail_once, meeting);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_1), 0);
    struct sv_latch_wait wait = {.timeout_ms = -1};
    cr_assert_eq(sv_latch_wait(self, &wait), -EIO);
    cr_assert(wait.is_set);
    sv_latch_reset(self);
    wait.timeout_ms = 0;
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert_eq(sv_load_acquire32(&meeting->words[SERVED]), 2);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
