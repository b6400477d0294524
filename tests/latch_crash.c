/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Latches and reasons whose setter, sender or owner is killed: nobody waits for the dead (K1), and
 * nothing of them stays in the slot (K3).
 */
#include "injector_support.h"
#include "meeting.h"

TestSuite(latch_crash, .timeout = 60);

enum { ATTACHED, SERVED }; /* words of the meeting */

struct actor {
    struct run *run;
    struct meeting *meeting;
    uint32_t sleep;        /* how the parent sleeps: enum sv_sleep */
    enum sv_reason reason; /* what it sends; SV_REASON_COUNT: it only sets the latch */
    int signal_number;
};

/* Once the parent, slot 0, sleeps, send to it; the plan kills it on the way. */
static int send_and_die(struct sv_segment *segment, void *argument)
{
    const struct actor *actor = argument;
    struct sv_backend *self = attach_here(segment, 0);
    await_exactly(&segment->slots[0].sleep, actor->sleep);
    injector_enter(&actor->run->context, &actor->run->injector, 1);
    if (actor->reason == SV_REASON_COUNT) {
        sv_latch_set(segment, 0);
        return 1;
    }
    return sv_procsignal_send(self, 0, actor->reason) == 0 ? 2 : 3;
}

static int count_served(struct sv_backend *self, void *argument)
{
    struct meeting *meeting = argument;
    (void)self;
    advance(&meeting->words[SERVED]);
    return 0;
}

/* Sleep until a sender that is killed by the plan has set the latch. Returns: reasons served. */
static uint32_t wait_for_the_dead(const char *faults, enum sv_reason reason, bool in_poll,
                                  struct sv_latch_wait *wait)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct run run;
    run_start(&run, 1, faults);
    struct actor actor = {.run = &run,
                          .meeting = meet(),
                          .sleep = in_poll ? SV_ASLEEP_IN_POLL : SV_ASLEEP_IN_WAIT,
                          .reason = reason};
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    sv_procsignal_set_callback(self, SV_REASON_APP_0, count_served, actor.meeting);
    const pid_t pid = fork_child(send_and_die, segment, &actor);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    wait->wait_readable = in_poll;
    wait->readable_fd = ends[0];
    cr_assert_eq(sv_latch_wait(self, wait), 0);
    cr_assert_eq(WTERMSIG(reap(pid)), SIGKILL);
    cr_assert_eq(fired(&run, ACTION_KILL), 1);
    sv_backend_detach(self);
    sv_segment_detach(segment);
    return sv_load_acquire32(&actor.meeting->words[SERVED]);
}

/*
 * Claim:   who is killed between setting a latch and waking its owner does not leave it asleep.
 * Method:  exactly that; the owner's wait, for its latch alone or for a pipe, has no timeout.
 */
Test(latch_crash, a_setter_that_dies_before_the_wake_is_made_up_for)
{
    const char *kill = "  - {backend: any, point: latch/set/wake, action: kill, hit: 1}\n";
    for (int in_poll = 0; in_poll < 2; in_poll++) {
        struct sv_latch_wait wait = {.timeout_ms = -1};
        (void)wait_for_the_dead(kill, SV_REASON_COUNT, in_poll != 0, &wait);
        cr_assert(wait.is_set && !wait.readable);
    }
}

/*
 * Claim:   a sender that is killed after the flag has asked; one that is killed before has not.
 * Method:  kills at each point of the sender; with the flag set, the target's wait has no timeout.
 */
Test(latch_crash, a_sender_that_dies_has_asked_or_has_not)
{
    struct sv_latch_wait unasked = {.timeout_ms = 200};
    cr_assert_eq(
        wait_for_the_dead("  - {backend: any, point: signal/send/before, action: kill, hit: 1}\n",
                          SV_REASON_APP_0, true, &unasked),
        0);
    cr_assert(unasked.timed_out);
    const char *kills[] = {
        "  - {backend: any, point: latch/set/wake, action: kill, hit: 1}\n",
        "  - {backend: any, point: signal/send/flagged, action: kill, hit: 1}\n",
        "  - {backend: any, point: signal/send/kill, action: kill, hit: 1}\n",
    };
    for (int i = 0; i < 3; i++) {
        struct sv_latch_wait wait = {.timeout_ms = -1};
        cr_assert_eq(wait_for_the_dead(kills[i], SV_REASON_APP_0, true, &wait), 1, "%s", kills[i]);
        cr_assert(wait.is_set);
    }
}

/* Wait, for a pipe as well, until sent to; the plan kills it on the way. */
static int wait_and_die(struct sv_segment *segment, void *argument)
{
    const struct actor *actor = argument;
    struct sv_backend *self = attach_here(segment, actor->signal_number);
    injector_enter(&actor->run->context, &actor->run->injector, 1);
    advance(&actor->meeting->words[ATTACHED]);
    int ends[2];
    if (pipe(ends) != 0) {
        return 3;
    }
    struct sv_latch_wait wait = {.timeout_ms = -1, .wait_readable = true, .readable_fd = ends[0]};
    while (sv_latch_wait(self, &wait) ==
           0) { /* the latch was set before it slept: the signal follows */
        sv_latch_reset(self);
    }
    return 2;
}

/*
 * Claim:   an idle backend settles the dead while it does nothing but wait, and the slot's next
 *          occupant finds nothing of the dead's: latch, flags, how it slept.
 * Method:  kills before the sleep, in it, and in the signal handler of a target that has just been
 *          asked; then waits in this process alone, until the slot is free.
 */
static void die_waiting(const char *faults, bool ask)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct run run;
    run_start(&run, 1, faults);
    struct actor actor = {.run = &run, .meeting = meet(), .signal_number = SIGUSR1};
    struct sv_backend *self = join(segment);
    const pid_t pid = fork_child(wait_and_die, segment, &actor);
    await(&actor.meeting->words[ATTACHED], 1);
    if (ask) {
        await_exactly(&segment->slots[1].sleep, SV_ASLEEP_IN_POLL);
        cr_assert_eq(sv_procsignal_send(self, 1, SV_REASON_APP_0), 0);
    }
    cr_assert_eq(WTERMSIG(reap(pid)), SIGKILL);
    cr_assert_eq(fired(&run, ACTION_KILL), 1);
    while (sv_load_acquire32(&segment->slots[1].phase) != SV_SLOT_FREE) {
        struct sv_latch_wait wait = {.timeout_ms = 150};
        cr_assert_eq(sv_latch_wait(self, &wait), 0);
        cr_assert(wait.timed_out);
    }
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 1);
    struct sv_backend *next = join(segment);
    cr_assert_eq(sv_backend_slot(next), 1);
    cr_assert_eq(sv_load_acquire32(&next->slot->latch), 0);
    cr_assert_eq(sv_load_acquire32(&next->slot->reasons), 0);
    cr_assert_eq(sv_load_acquire32(&next->slot->sleep), SV_AWAKE);
    sv_backend_detach(next);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

Test(latch_crash, who_dies_before_its_sleep_is_settled_by_an_idle_one)
{
    die_waiting("  - {backend: any, point: latch/wait/before, action: kill, hit: 1}\n", false);
}

Test(latch_crash, who_dies_in_its_sleep_is_settled_by_an_idle_one)
{
    die_waiting("  - {backend: any, point: latch/wait/sleep, action: kill, hit: 1}\n", false);
}

Test(latch_crash, who_dies_in_its_handler_is_settled_by_an_idle_one)
{
    die_waiting("  - {backend: any, point: signal/handler/entry, action: kill, hit: 1}\n", true);
}
