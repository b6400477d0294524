/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Every system call of who takes and releases locks, outlives the dead, and starts others fails,
 * one at a time, with every error (fail_each.h).
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "calls_partner.h"

TestSuite(calls_lock_fault, .timeout = 120);

/* ---- locks ---------------------------------------------------------------------------------- */

static void wait_until_waiting(struct sv_segment *segment, uint32_t slot)
{
    struct sv_slot_state state;
    do {
        (void)sched_yield();
        sv_slot_look(segment, slot, &state);
    } while (state.waits_for_lock == SV_SLOT_NONE);
}

/* Holds the lock until somebody waits for it. */
static void hold_once(struct sv_backend *self, struct meeting *meeting)
{
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    advance(&meeting->words[TURNS]);
    wait_until_waiting(sv_backend_segment(self), sv_load_acquire32(&meeting->words[SENT]));
    sv_lwlock_release(self, SV_LOCK_WRITE);
}

static int hold_when_asked(struct sv_segment *segment, void *argument)
{
    return take_turns(segment, argument, hold_once);
}

static int acquire_held(struct victim *victim)
{
    const struct sv_atomic32 *turns = &victim->meeting->words[TURNS];
    const uint32_t before = sv_load_acquire32(turns);
    sv_store_release32(&victim->meeting->words[SENT], sv_backend_slot(victim->self));
    ask(victim);
    yield_until_moved(turns, before);
    sv_lwlock_acquire(victim->self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    if (sv_lwlock_owner(victim->segment, SV_LOCK_WRITE, NULL) != sv_backend_slot(victim->self)) {
        wrong(victim, "the lock is not the victim's");
    }
    sv_lwlock_release(victim->self, SV_LOCK_WRITE);
    return 0;
}

/*
 * Claim:   a lock is got once it is released, however the sleep on it fails.
 */
Test(calls_lock_fault, a_lock_is_got_once_it_is_released)
{
    FAILING_CALLS_SKIP();
    fail_each_beside(hold_when_asked, (struct operation){.name = "acquire", .run = acquire_held});
}

static void acquire_once(struct sv_backend *self, struct meeting *meeting)
{
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_SHARED);
    sv_lwlock_release(self, SV_LOCK_READ);
    advance(&meeting->words[TURNS]);
}

static int acquire_when_asked(struct sv_segment *segment, void *argument)
{
    return take_turns(segment, argument, acquire_once);
}

static int release_to_waiter(struct victim *victim)
{
    const struct sv_atomic32 *turns = &victim->meeting->words[TURNS];
    const uint32_t before = sv_load_acquire32(turns);
    sv_lwlock_acquire(victim->self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    ask(victim);
    wait_until_waiting(victim->segment, partner_slot(victim));
    sv_lwlock_release(victim->self, SV_LOCK_READ);
    yield_until_moved(turns, before);
    return 0;
}

/*
 * Claim:   who waits for a lock gets it, also if the releaser's wake fails.
 */
Test(calls_lock_fault, a_waiter_gets_the_lock)
{
    FAILING_CALLS_SKIP();
    fail_each_beside(acquire_when_asked,
                     (struct operation){.name = "release", .run = release_to_waiter});
}

/* ---- the dead ------------------------------------------------------------------------------- */

/* With all that one can have: an intent, and locks. */
static _Noreturn void die_with_all(struct sv_segment *segment)
{
    const struct sv_message message = numbered(7);
    struct sv_backend *self = attach_here(segment, 0);
    sv_intent_declare(self, &message, 1);
    sv_lwlock_acquire(self, SV_LOCK_TABLE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_SHARED);
    (void)raise(SIGKILL);
    _exit(4);
}

static int let_one_die(struct sv_segment *segment)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        die_with_all(segment);
    }
    while (waitpid(pid, &status, 0) != pid) {
    }
    return WIFSIGNALED(status) ? 0 : -ECHILD;
}

static int outlive(struct victim *victim)
{
    static const enum sv_lock locks[] = {SV_LOCK_TABLE, SV_LOCK_WRITE, SV_LOCK_READ};

    const int result = let_one_die(victim->segment);
    if (result != 0) {
        return result;
    }
    for (int i = 0; i < 3; i++) {
        sv_lwlock_acquire(victim->self, locks[i], SV_LOCK_EXCLUSIVE);
        sv_lwlock_release(victim->self, locks[i]);
    }
    if (sv_backend_settle_dead(victim->segment) != 1) {
        wrong(victim, "the dead was not settled");
    }
    if (sv_queue_empty(victim->self)) {
        wrong(victim, "the message of the dead was not sent");
    }
    return sv_accept_messages(victim->self);
}

/*
 * Claim:   what the dead held is taken over, what they had promised sent, and their slot freed,
 *          whatever fails at it.
 */
Test(calls_lock_fault, the_dead_are_settled)
{
    FAILING_CALLS_SKIP();
    struct sv_segment *segment = world(calls_world);
    const struct operation operation = {
        .name = "outlive", .prepare = join_here, .run = outlive, .leave = leave_here};
    cr_assert_geq(fail_each(&operation, segment, meet(), NULL), 2);
    cr_expect_eq(count_slots(segment), 0);
    sv_segment_detach(segment);
}

/* ---- postmasters ---------------------------------------------------------------------------- */

static int end_at_once(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    return 7;
}

static void expect_no_child(struct victim *victim)
{
    pid_t pid;
    do {
        pid = waitpid(-1, NULL, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid != -1 || errno != ECHILD) {
        wrong(victim, "a child is left");
    }
}

/* Whatever fails, the postmaster is stopped in the end, and its child with it. */
static int reign_over_one(struct victim *victim)
{
    const struct sv_child what = {.run = end_at_once};
    struct sv_postmaster *postmaster = NULL;
    struct sv_child_exit end = {0};
    uint32_t child = 0;
    int result = sv_postmaster_create(victim->segment, &postmaster);
    if (result != 0) {
        return result;
    }
    result = sv_postmaster_start(postmaster, &what, &child);
    if (result == 0) {
        result = sv_postmaster_wait(postmaster, -1, &end);
        if (result == 0 && (end.child != child || WEXITSTATUS(end.status) != 7)) {
            wrong(victim, "child %" PRIu32 " has ended with status %#x", end.child,
                  (unsigned)end.status);
        }
    }
    sv_postmaster_stop(postmaster, 5000);
    expect_no_child(victim);
    return result;
}

static int pause_for_ever(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    sleep_for_ever();
}

/* A child that has to be told to end. */
static int stop_one(struct victim *victim)
{
    const struct sv_child what = {.run = pause_for_ever};
    struct sv_postmaster *postmaster = NULL;
    uint32_t child = 0;
    int result = sv_postmaster_create(victim->segment, &postmaster);
    if (result != 0) {
        return result;
    }
    result = sv_postmaster_start(postmaster, &what, &child);
    sv_postmaster_stop(postmaster, 5000);
    expect_no_child(victim);
    return result;
}

/*
 * Claim:   a child is started or not, its end is told or an error, and stopping leaves none.
 */
Test(calls_lock_fault, a_postmaster_leaves_no_child)
{
    FAILING_CALLS_SKIP();
    struct sv_segment *segment = world((struct sv_config){.lock_hold_max_ms = 1000});
    const struct operation operations[] = {{.name = "reign", .run = reign_over_one},
                                           {.name = "stop", .run = stop_one}};
    cr_assert_geq(fail_each(&operations[0], segment, meet(), NULL), 3);
    cr_assert_geq(fail_each(&operations[1], segment, meet(), NULL), 3);
    sv_segment_detach(segment);
}
