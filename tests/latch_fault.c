/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Latches and reasons when wake-ups and signals are lost, doubled, or come from nowhere: they cost
 * time, never correctness.
 */
#include "injector_support.h"
#include "meeting.h"

TestSuite(latch_fault, .timeout = 60);

enum { SERVED, STOP }; /* words of the meeting */

/* What a sender does to a sleeper in slot 0, under a plan. */
struct sender {
    struct run *run;
    uint32_t sleep;        /* how the sleeper sleeps: enum sv_sleep */
    enum sv_reason reason; /* SV_REASON_COUNT: only set its latch */
};

static int send_once_it_sleeps(struct sv_segment *segment, void *argument)
{
    const struct sender *sender = argument;
    struct sv_backend *self = attach_here(segment, 0);
    injector_enter(&sender->run->context, &sender->run->injector, 1);
    await_exactly(&segment->slots[0].sleep, sender->sleep);
    if (sender->reason == SV_REASON_COUNT) {
        sv_latch_set(segment, 0);
    } else if (sv_procsignal_send(self, 0, sender->reason) != 0) {
        return 1;
    }
    injector_leave();
    sv_backend_detach(self);
    return 0;
}

static int count_served(struct sv_backend *self, void *argument)
{
    struct meeting *meeting = argument;
    (void)self;
    advance(&meeting->words[SERVED]);
    return 0;
}

/* Sleep in slot 0 without a timeout until sent to. Returns: how often the reason was served. */
static uint32_t sleep_until_sent(const char *faults, enum sv_reason reason, bool in_poll,
                                 enum action action, uint64_t times)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join_with_signal(segment, SIGUSR1);
    sv_procsignal_set_callback(self, SV_REASON_APP_0, count_served, meeting);
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    struct run run;
    run_start(&run, 1, faults);
    struct sender sender = {&run, in_poll ? SV_ASLEEP_IN_POLL : SV_ASLEEP_IN_WAIT, reason};
    const pid_t pid = fork_child(send_once_it_sleeps, segment, &sender);
    struct sv_latch_wait wait = {
        .timeout_ms = -1, .wait_readable = in_poll, .readable_fd = ends[0]};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.is_set && !wait.readable && !wait.timed_out);
    assert_exited(reap(pid), 0);
    cr_assert_eq(fired(&run, action), times);
    cr_assert_eq(sv_process_interrupts(self), 0);
    const uint32_t served = sv_load_acquire32(&meeting->words[SERVED]);
    sv_backend_detach(self);
    sv_segment_detach(segment);
    return served;
}

/*
 * Claim:   a wake-up that is lost costs the sleeper at most its next look.
 * Method:  the wake of a set is dropped, in a wait and in a poll, which have no timeout.
 */
Test(latch_fault, a_lost_wake_up_costs_time_only)
{
    const char *drop = "  - {backend: any, point: latch/set/wake, action: drop, hit: 1}\n";
    cr_assert_eq(sleep_until_sent(drop, SV_REASON_COUNT, false, ACTION_DROP, 1), 0);
    cr_assert_eq(sleep_until_sent(drop, SV_REASON_COUNT, true, ACTION_DROP, 1), 0);
}

/*
 * Claim:   a reason is served though its signal, and the wake-up as well, are lost; once.
 * Method:  both are dropped, in a wait and in a poll, which have no timeout.
 */
Test(latch_fault, a_reason_is_served_though_its_signal_is_lost)
{
    const char *drop = "  - {backend: any, point: latch/set/wake, action: drop, hit: 1}\n"
                       "  - {backend: any, point: signal/send/kill, action: drop, hit: 1}\n";
    cr_assert_eq(sleep_until_sent(drop, SV_REASON_APP_0, false, ACTION_DROP, 2), 1);
    cr_assert_eq(sleep_until_sent(drop, SV_REASON_APP_0, true, ACTION_DROP, 2), 1);
}

/*
 * Claim:   a reason whose signal comes twice is served once.
 * Method:  it is doubled, to a sleeper in a poll; one in a wait is not signaled.
 */
Test(latch_fault, a_reason_whose_signal_is_doubled_is_served_once)
{
    const char *twice = "  - {backend: any, point: signal/send/kill, action: duplicate, hit: 1}\n";
    cr_assert_eq(sleep_until_sent(twice, SV_REASON_APP_0, false, ACTION_DUPLICATE, 0), 1);
    cr_assert_eq(sleep_until_sent(twice, SV_REASON_APP_0, true, ACTION_DUPLICATE, 1), 1);
}

/*
 * Claim:   a sleep that ends for no reason does not end the wait.
 * Method:  half of all sleeps end at once; the wait times out, and not early.
 */
Test(latch_fault, a_sleep_that_ends_for_nothing_does_not_end_the_wait)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct run run;
    run_start(&run, 1,
              "  - {backend: any, point: latch/wait/sleep, action: interrupt, hit: 1}\n"
              "  - {backend: any, point: latch/wait/sleep, action: interrupt, probability: 0.5}\n");
    injector_enter(&run.context, &run.injector, 0);
    const uint64_t before_ns = sv_os_now_ns();
    struct sv_latch_wait wait = {.timeout_ms = 250};
    const int result = sv_latch_wait(self, &wait);
    const uint64_t took_ns = sv_os_now_ns() - before_ns;
    injector_leave();
    cr_assert_eq(result, 0);
    cr_assert(wait.timed_out && !wait.is_set);
    cr_assert_geq(took_ns, UINT64_C(250000000));
    cr_assert_gt(fired(&run, ACTION_INTERRUPT), 0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
