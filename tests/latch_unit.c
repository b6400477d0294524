/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Latches: what ends a wait, what does not, and that no wake-up is lost.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "meeting.h"

TestSuite(latch_unit, .timeout = 60);

#define ROUNDS    20000
#define NS_PER_MS UINT64_C(1000000)

/*
 * Sleeps look again after 100 ms, so that a wake-up that is lost costs time only. Here that net can
 * be taken away: with `endless` set, a sleep ends only when somebody ends it, and a lost wake-up
 * hangs the test.
 */
static bool endless;

/* Called once, right before the next sleep enters the kernel: after the last look at the latch. */
static void (*before_sleep)(void);

static void about_to_sleep(void)
{
    void (*call)(void) = before_sleep;
    before_sleep = NULL;
    if (call != NULL) {
        call();
    }
}

long syscall(long number, ...)
{
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(list, long);
    }
    va_end(list);
    if (endless && number == SYS_futex && a[1] == FUTEX_WAIT) {
        about_to_sleep();
        a[3] = 0;
    }
    long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    const bool look_only = timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
    int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *) =
        (int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))dlsym(
            RTLD_NEXT, "ppoll");
    if (!endless || look_only) {
        return real(fds, count, timeout, mask);
    }
    about_to_sleep();
    return real(fds, count, NULL, mask);
}

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

/* ---- no wake-up is lost -------------------------------------------------------------------- */

enum { TURN, FINISHED }; /* words of the meeting */

struct player {
    struct meeting *meeting;
    uint32_t parity;   /* plays when TURN has this parity */
    uint32_t opponent; /* slot */
    int readable_fd;   /* -1: waits for its latch alone */
    int signal_number;
};

/* Let some time pass, a different one each round: up to some microseconds. */
static void dally(uint32_t round)
{
    for (uint32_t i = round * 13 % 251; i > 0; i--) {
        sv_os_spin();
    }
}

static int wait_for_turn(struct sv_backend *self, const struct player *player)
{
    struct sv_latch_wait wait = {
        .timeout_ms = -1,
        .wait_readable = player->readable_fd >= 0,
        .readable_fd = player->readable_fd,
    };
    return sv_latch_wait(self, &wait);
}

/*
 * Wait for one's turn, count it on, set the other's latch. The roles change each 64 turns: one
 * sleeps in its latch; the other stays awake and answers after a while that goes through the whole
 * time in which the sleeper falls asleep.
 */
static int play(struct sv_backend *self, const struct player *player)
{
    struct sv_atomic32 *turn = &player->meeting->words[TURN];
    for (uint32_t spins = 0;; spins++) {
        sv_latch_reset(self);
        const uint32_t now = sv_load_relaxed32(turn);
        if (now >= ROUNDS) {
            return 0;
        }
        if (now % 2 == player->parity) {
            dally(now);
            sv_store_relaxed32(turn, now + 1);
            sv_latch_set(sv_backend_segment(self), player->opponent);
        } else if (now / 64 % 2 == player->parity) {
            const int result = wait_for_turn(self, player);
            if (result != 0) {
                return result;
            }
        } else if (spins % 1024 == 0) {
            (void)sched_yield();
        }
    }
}

static int play_in_child(struct sv_segment *segment, void *argument)
{
    const struct player *player = argument;
    struct sv_backend *self = attach_here(segment, player->signal_number);
    advance(&player->meeting->words[FINISHED]);
    endless = true;
    const int result = play(self, player);
    endless = false;
    sv_backend_detach(self);
    return result == 0 ? 0 : 1;
}

static void ping_pong(int readable_fd, int signal_number)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 2});
    struct meeting *meeting = meet();
    struct sv_backend *self = join_with_signal(segment, signal_number);
    struct player mine = {meeting, 0, 1, readable_fd, signal_number};
    struct player theirs = {meeting, 1, 0, readable_fd, signal_number};
    cr_assert_eq(sv_backend_slot(self), 0);
    const pid_t pid = fork_child(play_in_child, segment, &theirs);
    await(&meeting->words[FINISHED], 1);
    endless = true;
    const int result = play(self, &mine);
    endless = false;
    cr_assert_eq(result, 0);
    assert_exited(reap(pid), 0);
    cr_assert_eq(sv_load_relaxed32(&meeting->words[TURN]), ROUNDS);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a set that comes while the owner goes to sleep ends the sleep.
 * Method:  two processes pass a turn to and fro 20,000 times, with sleeps that do not end by
 *          themselves: one lost wake-up hangs both.
 */
Test(latch_unit, no_wake_up_is_lost_in_a_wait)
{
    ping_pong(-1, 0);
}

/*
 * Claim:   the same for an owner that also waits for a descriptor.
 * Method:  the same, both wait for a pipe that nobody writes to, and are woken by signals.
 */
Test(latch_unit, no_wake_up_is_lost_in_a_poll)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    ping_pong(ends[0], SIGUSR1);
}

static struct sv_backend *sleeper;

static void set_the_sleepers_latch(void)
{
    sv_latch_set(sv_backend_segment(sleeper), sv_backend_slot(sleeper));
}

static void set_before_sleep(int readable_fd)
{
    struct sv_segment *segment = world((struct sv_config){0});
    sleeper = join_with_signal(segment, SIGUSR1);
    struct sv_latch_wait wait = {
        .timeout_ms = -1, .wait_readable = readable_fd >= 0, .readable_fd = readable_fd};
    before_sleep = set_the_sleepers_latch;
    endless = true;
    const int result = sv_latch_wait(sleeper, &wait);
    endless = false;
    cr_assert_eq(result, 0);
    cr_assert_null(before_sleep, "it did not sleep");
    cr_assert(wait.is_set);
    sv_backend_detach(sleeper);
    sv_segment_detach(segment);
}

/*
 * Claim:   a set between the last look at the latch and the sleep ends the sleep.
 * Method:  exactly there, the latch is set; the sleep has no other end.
 */
Test(latch_unit, a_set_right_before_the_sleep_of_a_wait_ends_it)
{
    set_before_sleep(-1);
}

/* The same for a poll, where the set comes by a signal that must not be handled too early. */
Test(latch_unit, a_set_right_before_the_sleep_of_a_poll_ends_it)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    set_before_sleep(ends[0]);
}

/* ---- the setter, stepped ------------------------------------------------------------------- */

enum {
    GO,
    WOKEN,
    SET_DONE
}; /* the round that may begin, that is over for the sleeper, the setter */

/* Sleep once a round, without end. */
static int sleep_each_round(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    for (uint32_t round = 1;; round++) {
        await(&meeting->words[GO], round);
        struct sv_latch_wait wait = {.timeout_ms = -1};
        endless = true;
        const int result = sv_latch_wait(self, &wait);
        endless = false;
        if (result != 0 || !wait.is_set) {
            return 1;
        }
        sv_latch_reset(self);
        advance(&meeting->words[WOKEN]);
    }
}

/* Stop, set the sleeper's latch, and so on. */
static int set_each_round(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        return 77;
    }
    for (;;) {
        (void)raise(SIGSTOP);
        sv_latch_set(segment, 0);
        (void)sv_fetch_add_seq32(&meeting->words[SET_DONE], 1);
    }
}

/* Is the process in state S: asleep in the kernel? */
static bool is_asleep(pid_t pid)
{
    char path[64];
    char text[256] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    const char *line = fgets(text, sizeof(text), file);
    (void)fclose(file);
    const char *name_end = line != NULL ? strrchr(line, ')') : NULL;
    return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'S';
}

static int stopped(pid_t pid)
{
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSTOPPED(status), "wait status %#x", status);
    return WSTOPSIG(status);
}

/* Let the sleeper begin its round, until it sleeps or has been woken. */
static void let_it_sleep(struct sv_segment *segment, struct meeting *meeting, pid_t pid,
                         uint32_t round)
{
    advance(&meeting->words[GO]);
    while (sv_load_acquire32(&meeting->words[WOKEN]) < round &&
           !(sv_load_acquire32(&segment->slots[0].sleep) == SV_ASLEEP_IN_WAIT && is_asleep(pid))) {
        (void)sched_yield();
    }
}

/*
 * Claim:   a set wakes its owner wherever in the set the owner falls asleep (PostgreSQL:
 *          14e8803f10).
 * Method:  in round k the setter stops after k instructions; the owner begins a wait without end
 *          and sleeps, or sees the latch set; then the setter goes on, and the owner must wake.
 *          k grows until the setter gets through its set before it stops: all k were tried.
 */
Test(latch_unit, a_set_wakes_who_falls_asleep_at_any_instruction_of_it)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    const pid_t owner = fork_child(sleep_each_round, segment, meeting);
    const pid_t setter = fork_child(set_each_round, segment, meeting);
    await(&segment->slots[0].phase, SV_SLOT_ACTIVE);
    cr_assert_eq(stopped(setter), SIGSTOP);
    uint32_t slept = 0;
    bool complete = false;
    for (uint32_t round = 1; !complete; round++) {
        for (uint32_t step = 0; step < round; step++) {
            cr_assert_eq(ptrace(PTRACE_SINGLESTEP, setter, NULL, NULL), 0);
            cr_assert_eq(stopped(setter), SIGTRAP);
        }
        complete = sv_load_acquire32(&meeting->words[SET_DONE]) == round;
        let_it_sleep(segment, meeting, owner, round);
        slept += sv_load_acquire32(&meeting->words[WOKEN]) < round;
        cr_assert_eq(ptrace(PTRACE_CONT, setter, NULL, NULL), 0);
        cr_assert_eq(stopped(setter), SIGSTOP);
        await(&meeting->words[WOKEN], round);
    }
    cr_assert_gt(slept, 0, "the owner never slept");
    kill_and_reap(setter);
    kill_and_reap(owner);
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

/* ---- signals ----------------------------------------------------------------------------------- */

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
 * Claim:   a reason that is sent to a sleeper ends its sleep, and is served before the wait returns.
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
