/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Procsignal: reasons arrive, whoever sends them, with and without their signal.
 */
#include "meeting.h"

TestSuite(procsignal_unit, .timeout = 60);

enum { FIRST, SECOND, DONE }; /* words of the meeting */

/* What a callback saw and what it is to answer. */
struct callback {
    int calls;
    int fail_first; /* so many calls fail */
    int nested;     /* calls of itself while it ran */
    bool again;     /* ask oneself for the same reason, and process, inside */
};

static int called(struct sv_backend *self, void *argument)
{
    struct callback *callback = argument;
    callback->calls++;
    if (callback->again) {
        callback->again = false;
        const int before = callback->calls;
        (void)!sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0);
        (void)!sv_process_interrupts(self);
        callback->nested = callback->calls - before;
    }
    return callback->calls <= callback->fail_first ? -EIO : 0;
}

static void set_blocked(int signal_number, bool blocked)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, signal_number);
    cr_assert_eq(pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL), 0);
}

/*
 * Claim:   several reasons that are sent before one is served all arrive, through the handler
 *          (PostgreSQL: 0da096d78e) and without it.
 * Method:  a backend sends itself two reasons, the first twice; once taking signals, once not.
 */
static void send_two_reasons(int signal_number)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join_with_signal(segment, signal_number);
    const uint32_t slot = sv_backend_slot(self);
    struct callback first = {0};
    struct callback second = {0};
    sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &first);
    sv_procsignal_set_callback(self, SV_REASON_APP_1, called, &second);
    cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_0), 0);
    cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_1), 0);
    cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_0), 0);
    cr_assert_eq(first.calls + second.calls, 0, "work was done in the handler");
    cr_assert_eq(sv_load_acquire32(&segment->slots[slot].reasons) == 0, signal_number != 0,
                 "the handler moves the flags, nobody else");
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert_eq(first.calls, 1);
    cr_assert_eq(second.calls, 1);
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert_eq(first.calls + second.calls, 2, "served twice");
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

Test(procsignal_unit, several_reasons_at_once_all_arrive_by_signal)
{
    send_two_reasons(SIGUSR1);
}

Test(procsignal_unit, several_reasons_at_once_all_arrive_without_a_signal)
{
    send_two_reasons(0);
}

/*
 * Claim:   a signal that does not arrive costs time only: the flag is found without it.
 * Method:  the signal is blocked while the reason is sent and served; let in afterwards, it finds
 *          nothing to do and does nothing.
 */
Test(procsignal_unit, a_reason_is_served_without_its_signal)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    struct callback callback = {0};
    sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &callback);
    set_blocked(SIGUSR1, true);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
    cr_assert_eq(sv_load_acquire32(&self->pending), 0, "the handler ran");
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert_eq(callback.calls, 1);
    sv_latch_reset(self);
    set_blocked(SIGUSR1, false);
    cr_assert_eq(sv_load_acquire32(&self->pending), 0);
    cr_assert_eq(sv_load_acquire32(&self->slot->latch), 0,
                 "a signal without a reason sets nothing");
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a callback that fails is called again, its error is returned, and it keeps none of the
 *          others from being served.
 * Method:  the first reason's callback fails twice; the second's is served in the first round.
 */
Test(procsignal_unit, a_failed_callback_is_called_again)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    const uint32_t slot = sv_backend_slot(self);
    struct callback failing = {.fail_first = 2};
    struct callback other = {0};
    sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &failing);
    sv_procsignal_set_callback(self, SV_REASON_APP_1, called, &other);
    cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_0), 0);
    cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_1), 0);
    cr_assert_eq(sv_process_interrupts(self), -EIO);
    cr_assert_eq(other.calls, 1);
    cr_assert(sv_procsignal_pending(self, SV_REASON_APP_0));
    cr_assert_eq(sv_process_interrupts(self), -EIO);
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert_eq(failing.calls, 3);
    cr_assert_not(sv_procsignal_pending(self, SV_REASON_APP_0));
    cr_assert_eq(other.calls, 1);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   of several errors the first is returned, in the order of reasons.
 * Method:  two callbacks that fail, asked for in the other order; both are called again.
 */
static int find_no_room(struct sv_backend *self, void *argument)
{
    int *calls = argument;
    (void)self;
    return ++*calls == 1 ? -ENOSPC : 0;
}

Test(procsignal_unit, the_first_error_is_returned)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    const uint32_t slot = sv_backend_slot(self);
    struct callback failing = {.fail_first = 1};
    int calls = 0;
    sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &failing);
    sv_procsignal_set_callback(self, SV_REASON_APP_1, find_no_room, &calls);
    cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_1), 0);
    cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_0), 0);
    cr_assert_eq(sv_process_interrupts(self), -EIO);
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert(failing.calls == 2 && calls == 2);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a reason that arrives by signal leaves errno as it was.
 * Method:  the signal is blocked while the reason is sent, and let in with errno set.
 */
Test(procsignal_unit, a_signal_leaves_errno_alone)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    set_blocked(SIGUSR1, true);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
    cr_assert_eq(sv_load_acquire32(&self->pending), 0, "the handler ran");
    errno = ENOTTY;
    set_blocked(SIGUSR1, false);
    const int error = errno;
    cr_assert_neq(sv_load_acquire32(&self->pending), 0, "the handler did not run");
    cr_assert_eq(error, ENOTTY, "errno became %d", error);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   the work of a reason is not begun inside itself, and what arrived inside is not lost.
 * Method:  a callback that asks for its own reason and processes interrupts while it runs.
 */
Test(procsignal_unit, a_reason_that_arrives_in_its_own_callback_waits_for_its_return)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct callback callback = {.again = true};
    sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &callback);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert_eq(callback.nested, 0);
    cr_assert_eq(callback.calls, 1);
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert_eq(callback.calls, 2);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   backends of one thread share the handler, and each gets its own reasons only; after one
 *          has left, the others still do, and nothing is sent to it.
 * Method:  three in one thread; the one in the middle of the handler's list leaves.
 */
Test(procsignal_unit, backends_of_one_thread_get_their_own_reasons)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *selves[3];
    struct callback callbacks[3] = {0};
    for (int i = 0; i < 3; i++) {
        selves[i] = join_with_signal(segment, SIGUSR1);
        sv_procsignal_set_callback(selves[i], SV_REASON_APP_0, called, &callbacks[i]);
    }
    const uint32_t left = sv_backend_slot(selves[1]);
    cr_assert_eq(sv_procsignal_send(selves[0], left, SV_REASON_APP_0), 0);
    cr_assert_eq(sv_process_interrupts(selves[0]) + sv_process_interrupts(selves[2]), 0);
    cr_assert_eq(callbacks[0].calls + callbacks[2].calls, 0);
    cr_assert_eq(sv_process_interrupts(selves[1]), 0);
    cr_assert_eq(callbacks[1].calls, 1);
    sv_backend_detach(selves[1]);
    cr_assert_eq(sv_procsignal_send(selves[0], left, SV_REASON_APP_0), SV_NOT_FOUND);
    for (int i = 0; i < 3; i += 2) {
        cr_assert_eq(sv_procsignal_send(selves[i], sv_backend_slot(selves[i]), SV_REASON_APP_0), 0);
        cr_assert_neq(sv_load_acquire32(&selves[i]->pending), 0);
        cr_assert_eq(sv_process_interrupts(selves[i]), 0);
        cr_assert_eq(callbacks[i].calls, 1);
        sv_backend_detach(selves[i]);
    }
    sv_segment_detach(segment);
}

/* ---- who is there ---------------------------------------------------------------------------- */

static int attach_and_pause(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)attach_here(segment, (int)sv_load_relaxed32(&meeting->words[SECOND]));
    advance(&meeting->words[FIRST]);
    sleep_for_ever();
}

static int attach_detach_and_pause(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    sv_backend_detach(attach_here(segment, SIGUSR1));
    if (signal(SIGUSR1, SIG_DFL) == SIG_ERR) { /* now it would die of one */
        return 1;
    }
    advance(&meeting->words[FIRST]);
    sleep_for_ever();
}

/*
 * Claim:   nobody lives in a slot that was never taken, or was left; and nothing is sent there.
 * Method:  a child detaches and would now die of the signal.
 */
Test(procsignal_unit, a_reason_for_an_empty_or_a_left_slot_finds_nobody)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    cr_assert_eq(sv_procsignal_send(self, 1, SV_REASON_APP_0), SV_NOT_FOUND);
    const pid_t left = fork_child(attach_detach_and_pause, segment, meeting);
    await(&meeting->words[FIRST], 1);
    cr_assert_eq(sv_procsignal_send(self, 1, SV_REASON_APP_0), SV_NOT_FOUND);
    int status = 0;
    cr_assert_eq(waitpid(left, &status, WNOHANG), 0, "the one that had left was signaled");
    kill_and_reap(left);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   nobody lives in the slot of one who died, also while its pid is still there.
 * Method:  a child, with a signal and without, is killed and stays a zombie until after the send.
 */
static void send_to_the_dead(int signal_number)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    sv_store_relaxed32(&meeting->words[SECOND], (uint32_t)signal_number);
    const pid_t dead = fork_child(attach_and_pause, segment, meeting);
    await(&meeting->words[FIRST], 1);
    cr_assert_eq(sv_procsignal_send(self, 1, SV_REASON_APP_0), 0);
    cr_assert_eq(kill(dead, SIGKILL), 0);
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)dead, &info, WEXITED | WNOWAIT), 0);
    cr_assert_eq(sv_procsignal_send(self, 1, SV_REASON_APP_0), SV_NOT_FOUND);
    cr_assert_eq(WTERMSIG(reap(dead)), SIGKILL);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

Test(procsignal_unit, a_reason_for_a_dead_slot_with_a_signal_finds_nobody)
{
    send_to_the_dead(SIGUSR1);
}

Test(procsignal_unit, a_reason_for_a_dead_slot_without_a_signal_finds_nobody)
{
    send_to_the_dead(0);
}

static int take_a_signal(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    set_blocked(SIGUSR1, false);
    return raise(SIGUSR1) == 0 ? 0 : 1;
}

/*
 * Claim:   a forked child has its parent's handler, and a signal to it takes nothing of its
 *          parent's (PostgreSQL: b5d0f8ec01, of the same kind).
 * Method:  a reason is flagged while the parent's signal is blocked; a child forked then raises it.
 */
Test(procsignal_unit, a_forked_child_does_not_take_its_parents_reasons)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    struct callback callback = {0};
    sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &callback);
    set_blocked(SIGUSR1, true);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(self), SV_REASON_APP_0), 0);
    assert_exited(reap(fork_child(take_a_signal, segment, NULL)), 0);
    cr_assert(sv_procsignal_pending(self, SV_REASON_APP_0));
    cr_assert_eq(sv_process_interrupts(self), 0);
    cr_assert_eq(callback.calls, 1);
    set_blocked(SIGUSR1, false);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a forked child that attaches for itself, in the slot its parent had, gets its reasons.
 * Method:  the parent forks while attached, then leaves; the child takes the slot over and is sent
 *          a reason, which its handler must put where the child looks, not where the parent did.
 */
static int inherit_slot(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct callback callback = {0};
    await(&meeting->words[FIRST], 1);
    struct sv_backend *self = attach_here(segment, SIGUSR1);
    sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &callback);
    if (sv_backend_slot(self) != 0 || sv_procsignal_send(self, 0, SV_REASON_APP_0) != 0 ||
        sv_load_acquire32(&self->pending) == 0 || sv_process_interrupts(self) != 0) {
        return 1;
    }
    sv_backend_detach(self);
    return callback.calls == 1 ? 0 : 2;
}

Test(procsignal_unit, a_forked_child_that_attaches_gets_its_own_reasons)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    cr_assert_eq(sv_backend_slot(self), 0);
    const pid_t pid = fork_child(inherit_slot, segment, meeting);
    sv_backend_detach(self);
    advance(&meeting->words[FIRST]);
    assert_exited(reap(pid), 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   a catchup whose signal has come already is served by the next accept, also when there is
 *          nothing to read.
 * Method:  an empty queue; the backend asks itself, once taking signals, once not.
 */
Test(procsignal_unit, a_catchup_is_served_though_the_queue_is_empty)
{
    for (int signal_number = 0; signal_number <= SIGUSR1; signal_number += SIGUSR1) {
        struct sv_segment *segment = world((struct sv_config){0});
        struct sv_backend *self = join_with_signal(segment, signal_number);
        const uint32_t slot = sv_backend_slot(self);
        cr_assert_eq(sv_accept_messages(self), 0);
        cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_CATCHUP), 0);
        cr_assert_eq(sv_load_acquire32(&segment->slots[slot].reasons) == 0, signal_number != 0);
        cr_assert_eq(sv_accept_messages(self), 0);
        cr_assert_eq(counted(segment, SV_STAT_catchups_served), 1, "signal %d", signal_number);
        sv_backend_detach(self);
        sv_segment_detach(segment);
    }
}

/*
 * Claim:   a callback that fails keeps nobody waiting for a barrier.
 * Method:  a backend whose callback always fails is asked for that and for the barrier at once.
 */
Test(procsignal_unit, a_barrier_is_passed_though_a_callback_fails)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_backend *late = join(segment);
    struct callback failing = {.fail_first = INT32_MAX};
    sv_procsignal_set_callback(late, SV_REASON_APP_0, called, &failing);
    cr_assert_eq(sv_procsignal_send(self, sv_backend_slot(late), SV_REASON_APP_0), 0);
    cr_assert_eq(sv_procsignal_barrier(self, 0), SV_TIMEOUT);
    const uint64_t generation = sv_load_seq64(&segment->header->barrier);
    cr_assert_leq(sv_load_seq64(&late->slot->barrier), generation, "passed before it was asked");
    cr_assert_eq(sv_process_interrupts(late), -EIO);
    cr_assert_eq(failing.calls, 1);
    cr_assert_gt(sv_load_seq64(&late->slot->barrier), generation, "not passed");
    sv_backend_detach(late);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a reason for which there is no callback is taken and forgotten, also where there was one
 *          before; who sets one later is not called for it.
 * Method:  a reason before any callback; one with a callback; one after it was set to NULL, and the
 *          callback set again.
 */
Test(procsignal_unit, a_reason_without_a_callback_is_forgotten)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    const uint32_t slot = sv_backend_slot(self);
    struct callback callback = {0};
    for (int i = 0; i < 2; i++) {
        sv_procsignal_set_callback(self, SV_REASON_APP_0, NULL, NULL);
        cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_0), 0);
        cr_assert_eq(sv_process_interrupts(self), 0);
        cr_assert_eq(callback.calls, i, "the callback that was set before is called");
        sv_procsignal_set_callback(self, SV_REASON_APP_0, called, &callback);
        cr_assert_eq(sv_process_interrupts(self), 0);
        cr_assert_eq(callback.calls, i, "called for what came before it was set");
        cr_assert_eq(sv_procsignal_send(self, slot, SV_REASON_APP_0), 0);
        cr_assert_eq(sv_process_interrupts(self), 0);
        cr_assert_eq(callback.calls, i + 1);
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
