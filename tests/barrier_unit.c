/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Barriers: everyone passes, nobody waits for who is not there.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <sys/ptrace.h>

#include "meeting.h"

TestSuite(barrier_unit, .timeout = 60);

enum { ATTACHED, STOP, EMITTED, VALUE }; /* words of the meeting */

/* Attach, then sleep in latch waits until told to stop. */
static int idle(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, SIGUSR1);
    advance(&meeting->words[ATTACHED]);
    while (sv_load_acquire32(&meeting->words[STOP]) == 0) {
        sv_latch_reset(self);
        struct sv_latch_wait wait = {.timeout_ms = 50};
        if (sv_latch_wait(self, &wait) != 0) {
            return 1;
        }
    }
    sv_backend_detach(self);
    return 0;
}

/* Attach, and never look at anything. */
static int ignore(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)attach_here(segment, 0);
    advance(&meeting->words[ATTACHED]);
    sleep_for_ever();
}

/*
 * Claim:   a barrier returns when each other backend has passed it, and not before.
 * Method:  three idle children and a backend of one's own that passes only after a barrier has
 *          timed out over it; each one's generation is looked at.
 */
Test(barrier_unit, a_barrier_waits_for_everyone)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    struct sv_backend *late = join(segment);
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork_child(idle, segment, meeting);
    }
    await(&meeting->words[ATTACHED], 3);
    cr_assert_eq(sv_procsignal_barrier(self, 20), SV_TIMEOUT);
    cr_assert(sv_procsignal_pending(late, SV_REASON_BARRIER));
    cr_assert_eq(sv_process_interrupts(late), 0);
    const uint64_t passed = sv_load_seq64(&late->slot->barrier);
    cr_assert_eq(passed, sv_load_seq64(&segment->header->barrier) + 1);
    sv_backend_detach(late);
    cr_assert_eq(sv_procsignal_barrier(self, -1), 0);
    for (uint32_t slot = 0; slot < sv_segment_slots_used(segment); slot++) {
        const uint64_t seen = sv_load_seq64(&segment->slots[slot].barrier);
        cr_assert(seen == passed + 1 || (slot == 1 && seen == 0), "slot %u", slot);
    }
    advance(&meeting->words[STOP]);
    for (int i = 0; i < 3; i++) {
        assert_exited(reap(pids[i]), 0);
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a barrier does not wait for the dead.
 * Method:  a child that never passes is killed by another one while the barrier, which has no
 *          timeout, waits for it; nobody settles it but the one who waits.
 */
struct killer {
    struct meeting *meeting;
    pid_t victim;
    uint64_t generation;
};

static int kill_once_asked(struct sv_segment *segment, void *argument)
{
    const struct killer *killer = argument;
    while (sv_load_seq64(&segment->header->barrier) < killer->generation ||
           sv_load_acquire32(&segment->slots[1].reasons) == 0) {
        struct sv_atomic32 word = {0};
        (void)sv_os_wait(&word, 0, A_WHILE_NS);
    }
    return kill(killer->victim, SIGKILL) == 0 ? 0 : 1;
}

Test(barrier_unit, a_barrier_passes_the_dead)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    const pid_t victim = fork_child(ignore, segment, meeting);
    await(&meeting->words[ATTACHED], 1);
    struct killer killer = {meeting, victim, 1};
    const pid_t pid = fork_child(kill_once_asked, segment, &killer);
    cr_assert_eq(sv_procsignal_barrier(self, -1), 0);
    assert_exited(reap(pid), 0);
    cr_assert_eq(WTERMSIG(reap(victim)), SIGKILL);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* Attach; once asked to pass, throw the request away; then idle. */
static int lose_the_request(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    advance(&meeting->words[ATTACHED]);
    while (!sv_procsignal_take(self, SV_REASON_BARRIER)) {
        (void)sv_os_wait(&self->slot->latch, 0, A_WHILE_NS);
    }
    advance(&meeting->words[EMITTED]);
    sv_backend_detach(self);
    return 0;
}

/*
 * Claim:   a barrier neither hangs when its request is lost nor waits for one who then leaves.
 * Method:  one child throws the first request away and stays, another one throws it away and
 *          leaves; the barrier has no timeout.
 */
static int lose_the_request_and_stay(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    advance(&meeting->words[ATTACHED]);
    while (!sv_procsignal_take(self, SV_REASON_BARRIER)) {
        (void)sv_os_wait(&self->slot->latch, 0, A_WHILE_NS);
    }
    while (sv_load_seq64(&self->slot->barrier) == 1) {
        struct sv_latch_wait wait = {.timeout_ms = 1};
        sv_latch_reset(self);
        if (sv_latch_wait(self, &wait) != 0) {
            return 1;
        }
    }
    sv_backend_detach(self);
    return 0;
}

Test(barrier_unit, a_lost_request_is_made_again)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    const pid_t leaver = fork_child(lose_the_request, segment, meeting);
    const pid_t stayer = fork_child(lose_the_request_and_stay, segment, meeting);
    await(&meeting->words[ATTACHED], 2);
    cr_assert_eq(sv_procsignal_barrier(self, -1), 0);
    assert_exited(reap(leaver), 0);
    assert_exited(reap(stayer), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

#define BARRIERS 300

static int emit_many(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, SIGUSR1);
    advance(&meeting->words[ATTACHED]);
    await(&meeting->words[ATTACHED], 3);
    for (int i = 0; i < BARRIERS; i++) {
        if (sv_procsignal_barrier(self, -1) != 0) {
            return 1;
        }
        advance(&meeting->words[EMITTED]);
    }
    sv_backend_detach(self);
    return 0;
}

/*
 * Claim:   emitters pass each other's barriers while they wait for their own.
 * Method:  three emit 300 each without a timeout, each waiting for the two others.
 */
Test(barrier_unit, emitters_do_not_wait_for_each_other_for_ever)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork_child(emit_many, segment, meeting);
    }
    for (int i = 0; i < 3; i++) {
        assert_exited(reap(pids[i]), 0);
    }
    cr_assert_eq(sv_load_acquire32(&meeting->words[EMITTED]), 3 * BARRIERS);
    cr_assert_eq(sv_load_seq64(&segment->header->barrier), UINT64_C(3) * BARRIERS);
    sv_segment_detach(segment);
}

static int come_and_go(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    while (sv_load_acquire32(&meeting->words[STOP]) == 0) {
        const uint64_t before = sv_load_seq64(&segment->header->barrier);
        struct sv_backend *self = attach_here(segment, SIGUSR1);
        if (sv_load_seq64(&self->slot->barrier) < before + 1) {
            return 1;
        }
        advance(&meeting->words[ATTACHED]);
        struct sv_latch_wait wait = {.timeout_ms = 0};
        if (sv_latch_wait(self, &wait) != 0) {
            return 2;
        }
        sv_backend_detach(self);
    }
    return 0;
}

/*
 * Claim:   a barrier neither waits for ever for one who entered while it was emitted (PostgreSQL:
 *          d79bf7612a), nor for one who left.
 * Method:  two children attach and detach as fast as they can while 300 barriers without a timeout
 *          are emitted; that they came and went meanwhile is counted.
 */
Test(barrier_unit, a_barrier_is_not_confused_by_those_who_come_and_go)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        pids[i] = fork_child(come_and_go, segment, meeting);
    }
    await(&meeting->words[ATTACHED], 2);
    const uint32_t before = sv_load_acquire32(&meeting->words[ATTACHED]);
    for (int i = 0; i < BARRIERS; i++) {
        cr_assert_eq(sv_procsignal_barrier(self, -1), 0);
    }
    await(&meeting->words[ATTACHED], before + BARRIERS);
    advance(&meeting->words[STOP]);
    for (int i = 0; i < 2; i++) {
        assert_exited(reap(pids[i]), 0);
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   the program's own set of the latch survives a barrier that waits on the same latch.
 * Method:  set it, emit a barrier that times out, look at it.
 */
Test(barrier_unit, a_barrier_does_not_swallow_a_set_latch)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_backend *other = join(segment);
    sv_latch_set_own(self);
    cr_assert_eq(sv_procsignal_barrier(self, 5), SV_TIMEOUT);
    struct sv_latch_wait wait = {.timeout_ms = 0};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.is_set);
    sv_backend_detach(other);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* In a callback, while somebody else emits a barrier: process interrupts, or wait. */
struct inside {
    struct sv_backend *emitter;
    bool wait;
    int result;
};

static int be_asked_inside(struct sv_backend *self, void *argument)
{
    struct inside *inside = argument;
    struct sv_latch_wait wait = {.timeout_ms = 0};
    const int emitted = sv_procsignal_barrier(inside->emitter, 0);
    inside->result = inside->wait ? sv_latch_wait(self, &wait) : sv_process_interrupts(self);
    return emitted == SV_TIMEOUT ? 0 : -EPROTO;
}

/* In a barrier's wait: another barrier. */
static int emit_inside(struct sv_backend *self, void *argument)
{
    struct inside *inside = argument;
    inside->result = sv_procsignal_barrier(self, 0);
    inside->wait = sv_load_seq32(&self->slot->barrier_waiter) != 0;
    return 0;
}

/*
 * Claim:   who emits a barrier while it waits for another one goes on to wait, and counts as one
 *          who waits, whom those who pass wake.
 * Method:  in a callback, during the wait of a barrier that times out.
 */
Test(barrier_unit, a_barrier_inside_a_barrier_leaves_it_waiting)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_backend *other = join(segment);
    struct inside inside = {.wait = false};
    sv_procsignal_set_callback(self, SV_REASON_APP_0, emit_inside, &inside);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
    cr_assert_eq(sv_procsignal_barrier(self, 200), SV_TIMEOUT);
    cr_assert_eq(inside.result, SV_TIMEOUT);
    cr_assert(inside.wait);
    cr_assert_eq(sv_load_seq32(&self->slot->barrier_waiter), 0);
    sv_backend_detach(other);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

static int fail(struct sv_backend *self, void *argument)
{
    (void)self;
    (void)argument;
    return -EIO;
}

/*
 * Claim:   who emits a barrier and ends with an error no longer counts as one who waits.
 * Method:  a callback of the emitter's own fails, during the wait for one that does not pass.
 */
Test(barrier_unit, a_barrier_that_fails_leaves_nobody_waiting)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_backend *other = join(segment);
    sv_procsignal_set_callback(self, SV_REASON_APP_0, fail, NULL);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
    cr_assert_eq(sv_procsignal_barrier(self, -1), -EIO);
    cr_assert_eq(sv_load_seq32(&self->slot->barrier_waiter), 0);
    sv_backend_detach(other);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a barrier waits for a backend in any slot.
 * Method:  300 backends of one thread, of whom the first and the last stay.
 */
Test(barrier_unit, a_barrier_waits_for_the_last_of_many)
{
    enum { MANY = 300 };

    struct sv_segment *segment = world((struct sv_config){.backends_max = MANY});
    struct sv_backend *backends[MANY];
    for (int i = 0; i < MANY; i++) {
        backends[i] = join(segment);
    }
    for (int i = 1; i < MANY - 1; i++) {
        sv_backend_detach(backends[i]);
    }
    struct sv_backend *last = backends[MANY - 1];
    cr_assert_eq(sv_backend_slot(last), MANY - 1);
    cr_assert_eq(sv_procsignal_barrier(backends[0], 0), SV_TIMEOUT);
    cr_assert(sv_procsignal_pending(last, SV_REASON_BARRIER), "it was not asked to pass");
    sv_backend_detach(last);
    cr_assert_eq(sv_procsignal_barrier(backends[0], 0), 0);
    sv_backend_detach(backends[0]);
    sv_segment_detach(segment);
}

/*
 * Claim:   barriers are passed at any depth (P3): also inside the work of another reason.
 * Method:  a callback has a backend of the same thread emit one, and processes interrupts or waits;
 *          before the callback is over, its backend has passed.
 */
Test(barrier_unit, a_barrier_is_passed_inside_a_callback)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct inside inside = {.emitter = join(segment)};
    sv_procsignal_set_callback(self, SV_REASON_APP_0, be_asked_inside, &inside);
    for (int wait = 0; wait < 2; wait++) {
        inside.wait = wait == 1;
        cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
        cr_assert_eq(sv_process_interrupts(self), 0);
        cr_assert_eq(inside.result, 0);
        cr_assert_eq(sv_load_seq64(&self->slot->barrier),
                     sv_load_seq64(&segment->header->barrier) + 1, "wait %d: not passed", wait);
        cr_assert_not(sv_procsignal_pending(self, SV_REASON_BARRIER));
    }
    sv_backend_detach(inside.emitter);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* Stop, leave and enter again, and so on. */
static int enter_each_round(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        return 77;
    }
    for (;;) {
        (void)raise(SIGSTOP);
        sv_procsignal_leave(self);
        if (sv_procsignal_enter(self) != 0) {
            return 1;
        }
        (void)sv_fetch_add_seq32(&meeting->words[ATTACHED], 1);
        if (sv_process_interrupts(self) != 0) {
            return 2;
        }
    }
}

static int stopped(pid_t pid)
{
    const int status = reap(pid);
    cr_assert(WIFSTOPPED(status), "wait status %#x", status);
    return WSTOPSIG(status);
}

/*
 * Claim:   whom a barrier passes over has, once it has entered, seen what was done before the
 *          barrier (P4; PostgreSQL: d79bf7612a).
 * Method:  in round k a child stops after k instructions of leaving and entering; a barrier is
 *          emitted that waits for nobody; if it says that all have passed, the child goes on, and
 *          its word must be past that generation. k grows until the child gets through.
 */
Test(barrier_unit, who_enters_at_any_instruction_has_passed_or_is_waited_for)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    const pid_t child = fork_child(enter_each_round, segment, meeting);
    cr_assert_eq(stopped(child), SIGSTOP);
    uint32_t waited = 0;
    uint32_t passed_over = 0;
    bool complete = false;
    for (uint32_t round = 1; !complete; round++) {
        for (uint32_t step = 0; step < round; step++) {
            cr_assert_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
            cr_assert_eq(stopped(child), SIGTRAP);
        }
        complete = sv_load_acquire32(&meeting->words[ATTACHED]) == round;
        const bool passed = sv_procsignal_barrier(self, 0) == 0;
        const uint64_t generation = sv_load_seq64(&segment->header->barrier);
        passed_over += passed;
        waited += !passed;
        cr_assert_eq(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
        cr_assert_eq(stopped(child), SIGSTOP);
        const uint64_t seen = sv_load_seq64(&segment->slots[1].barrier);
        cr_assert(!passed || seen > generation,
                  "passed over after %u instructions, it saw %" PRIu64 " of %" PRIu64, round, seen,
                  generation + 1);
    }
    cr_assert(waited > 0 && passed_over > 0, "waited for %u times, passed over %u times", waited,
              passed_over);
    kill_and_reap(child);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
