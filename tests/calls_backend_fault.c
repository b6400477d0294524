/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Every system call of a backend fails, one at a time, with every error (fail_each.h). Locks, the
 * dead and postmasters: calls_lock_fault.c.
 *
 * A wake or a signal that fails is told to nobody: who should have been woken must go on all the
 * same, since no sleep is longer than 10 ms (locks) or 100 ms (latches). So each of these has a
 * partner, a process of its own, that must be seen to go on.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "calls_partner.h"

TestSuite(calls_backend_fault, .timeout = 240);

/* Accept whatever there is, and sleep. */
static int sleep_and_accept(struct sv_segment *segment, void *argument)
{
    const struct partner *partner = argument;
    struct sv_backend *self = attach_here(segment, partner->in_poll ? SIGUSR1 : 0);
    int ends[2];
    if (pipe(ends) != 0) {
        return 3;
    }
    say_where(partner->meeting, self);
    for (;;) {
        struct sv_latch_wait wait = {
            .timeout_ms = -1, .wait_readable = partner->in_poll, .readable_fd = ends[0]};
        if (sv_latch_wait(self, &wait) != 0) {
            return 4;
        }
        sv_latch_reset(self);
        if (sv_accept_messages(self) != 0) {
            return 5;
        }
        advance(&partner->meeting->words[TURNS]);
    }
}

static void wait_until_asleep(const struct victim *victim)
{
    struct sv_slot_state state;
    do {
        (void)sched_yield();
        sv_slot_look(victim->segment, partner_slot(victim), &state);
    } while (!state.sleeping || state.latch_set);
}

/* ---- attaching, inserting ------------------------------------------------------------------- */

static int attach_and_detach(struct victim *victim)
{
    const int result = join_here(victim);
    if (result == 0) {
        sv_backend_detach(victim->self);
    }
    return result;
}

/*
 * Claim:   attaching succeeds or leaves no slot; detaching succeeds.
 */
Test(calls_backend_fault, a_backend_is_attached_or_not)
{
    FAILING_CALLS_SKIP();
    struct sv_segment *segment = world(calls_world);
    const struct operation operation = {.name = "attach, detach", .run = attach_and_detach};
    cr_assert_geq(fail_each(&operation, segment, meet(), NULL), 1);
    sv_segment_detach(segment);
}

/* More than the threshold for a catchup, one call. */
static int insert_many(struct victim *victim)
{
    wait_until_asleep(victim);
    for (uint64_t i = 0; i < 40; i++) {
        const struct sv_message message = numbered(i);
        sv_queue_insert(victim->self, &message, 1);
    }
    return sv_accept_messages(victim->self);
}

static void expect_caught_up(struct victim *victim)
{
    struct sv_slot_state state;
    uint64_t sent = 0;
    do {
        (void)sched_yield();
        sv_slot_look(victim->segment, partner_slot(victim), &state);
        sent = counted(victim->segment, SV_STAT_catchups_sent);
    } while (state.signaled);
    if (sent == 0) {
        wrong(victim, "no catchup was sent");
    }
}

/*
 * Claim:   a catchup arrives, also if waking or signalling fails.
 * Method:  a partner asleep in a futex, then one in a poll, is sent for; the baton comes back.
 */
Test(calls_backend_fault, a_catchup_arrives)
{
    FAILING_CALLS_SKIP();
    for (int in_poll = 0; in_poll < 2; in_poll++) {
        struct partner partner = {.in_poll = in_poll != 0};
        begin_partner(&partner, sleep_and_accept);
        const struct operation operation = {.name = in_poll != 0 ? "insert, poll" : "insert, futex",
                                            .run = insert_many,
                                            .undo = expect_caught_up,
                                            .untold = true};
        cr_assert_geq(fail_each_with(&partner, operation), in_poll != 0 ? 3 : 1);
        end_partner(&partner);
    }
}

/* ---- waking --------------------------------------------------------------------------------- */

static int set_latch(struct victim *victim)
{
    const struct sv_atomic32 *turns = &victim->meeting->words[TURNS];
    wait_until_asleep(victim);
    const uint32_t before = sv_load_acquire32(turns);
    sv_latch_set(victim->segment, partner_slot(victim));
    yield_until_moved(turns, before);
    return 0;
}

static int send_reason(struct victim *victim)
{
    const struct sv_atomic32 *turns = &victim->meeting->words[TURNS];
    wait_until_asleep(victim);
    const uint32_t before = sv_load_acquire32(turns);
    const int result = sv_procsignal_send(victim->self, partner_slot(victim), SV_REASON_APP_0);
    if (result == 0) {
        yield_until_moved(turns, before);
    }
    return result;
}

static int emit_barrier(struct victim *victim)
{
    return sv_procsignal_barrier(victim->self, -1);
}

/*
 * Claim:   who is set, signalled, or waited for at a barrier goes on, whatever fails at who does
 *          it.
 */
Test(calls_backend_fault, a_sleeper_goes_on)
{
    FAILING_CALLS_SKIP();
    for (int in_poll = 0; in_poll < 2; in_poll++) {
        struct partner partner = {.in_poll = in_poll != 0};
        begin_partner(&partner, sleep_and_accept);
        const struct operation operations[] = {
            {.name = "set a latch", .run = set_latch, .untold = true},
            {.name = "send a reason", .run = send_reason, .untold = true},
            {.name = "barrier", .run = emit_barrier, .untold = true},
        };
        for (int i = 0; i < 3; i++) {
            cr_assert_geq(fail_each_with(&partner, operations[i]), in_poll != 0 ? 3 : 1, "%s",
                          operations[i].name);
        }
        end_partner(&partner);
    }
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* Sets the victim's latch when it is asleep, or soon after it asked. */
static void set_once(struct sv_backend *self, struct meeting *meeting)
{
    struct sv_segment *segment = sv_backend_segment(self);
    const uint32_t slot = sv_load_acquire32(&meeting->words[SENT]);
    struct sv_slot_state state;
    for (int i = 0; i < 1000 && (sv_slot_look(segment, slot, &state), !state.sleeping); i++) {
        (void)sched_yield();
    }
    sv_latch_set(segment, slot);
}

static int set_when_asked(struct sv_segment *segment, void *argument)
{
    return take_turns(segment, argument, set_once);
}

static int ask_and_wait(struct victim *victim, struct sv_latch_wait wait)
{
    sv_latch_reset(victim->self);
    sv_store_release32(&victim->meeting->words[SENT], sv_backend_slot(victim->self));
    ask(victim);
    wait.timeout_ms = -1;
    int result = 0;
    do { /* what failed is to be tried again */
        result = sv_latch_wait(victim->self, &wait);
    } while (result == -victim->error && result != -EINTR && !wait.is_set);
    if (result == 0 && !wait.is_set) {
        wrong(victim, "the wait ended without its latch");
    }
    return wait.is_set ? 0 : result;
}

static int wait_for_latch(struct victim *victim)
{
    return ask_and_wait(victim, (struct sv_latch_wait){0});
}

static int wait_for_much(struct victim *victim)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return -errno;
    }
    const int result = ask_and_wait(victim, (struct sv_latch_wait){.wait_readable = true,
                                                                   .readable_fd = ends[0],
                                                                   .wait_postmaster = true});
    (void)close(ends[0]);
    (void)close(ends[1]);
    return result;
}

/*
 * Claim:   a wait ends when its latch is set and not before, with 0, or with an error that is not
 *          EINTR, and can then be begun again; no descriptor of the postmaster is left open.
 * Method:  a partner sets the latch of the victim in its sleep; a postmaster lives.
 */
Test(calls_backend_fault, a_wait_ends_when_its_latch_is_set)
{
    FAILING_CALLS_SKIP();
    struct partner partner = {0};
    begin_partner(&partner, set_when_asked);
    struct sv_postmaster *postmaster = NULL;
    cr_assert_eq(sv_postmaster_create(partner.segment, &postmaster), 0);
    const struct operation latch = {.name = "wait", .run = wait_for_latch};
    const struct operation much = {.name = "wait for much", .run = wait_for_much};
    cr_assert_geq(fail_each_with(&partner, latch), 1);
    /* pipe, descriptor of the postmaster, polls before and in the sleep, closes */
    cr_assert_geq(fail_each_with(&partner, much), 4);
    sv_postmaster_stop(postmaster, 0);
    end_partner(&partner);
}

static int wait_for_time(struct victim *victim)
{
    const uint64_t before = sv_os_now_ns();
    int ends[2];
    if (pipe(ends) != 0) {
        return -errno;
    }
    struct sv_latch_wait wait = {.timeout_ms = 5, .wait_readable = true, .readable_fd = ends[0]};
    sv_latch_reset(victim->self);
    const int result = sv_latch_wait(victim->self, &wait);
    if (result == 0 && !(wait.timed_out && sv_os_now_ns() - before >= 5000000)) {
        wrong(victim, "it ended before its time");
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return result;
}

/*
 * Claim:   a wait with a timeout ends then, and not before.
 */
Test(calls_backend_fault, a_wait_ends_with_its_time)
{
    FAILING_CALLS_SKIP();
    struct sv_segment *segment = world(calls_world);
    const struct operation operation = {
        .name = "wait 5 ms", .prepare = join_here, .run = wait_for_time, .leave = leave_here};
    cr_assert_geq(fail_each(&operation, segment, meet(), NULL), 3);
    sv_segment_detach(segment);
}
