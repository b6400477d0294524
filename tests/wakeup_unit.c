/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Latches: no wake-up is lost, wherever the set comes.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdio.h>
#include <sys/ptrace.h>

#include "endless.h"

TestSuite(wakeup_unit, .timeout = 60);

#define ROUNDS 20000

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
Test(wakeup_unit, no_wake_up_is_lost_in_a_wait)
{
    ping_pong(-1, 0);
}

/*
 * Claim:   the same for an owner that also waits for a descriptor.
 * Method:  the same, both wait for a pipe that nobody writes to, and are woken by signals.
 */
Test(wakeup_unit, no_wake_up_is_lost_in_a_poll)
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
Test(wakeup_unit, a_set_right_before_the_sleep_of_a_wait_ends_it)
{
    set_before_sleep(-1);
}

/* The same for a poll, where the set comes by a signal that must not be handled too early. */
Test(wakeup_unit, a_set_right_before_the_sleep_of_a_poll_ends_it)
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
Test(wakeup_unit, a_set_wakes_who_falls_asleep_at_any_instruction_of_it)
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
