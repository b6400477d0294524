/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Another postmaster takes over while somebody waits for the death of the first one.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <dirent.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "meeting.h"

TestSuite(successor_crash, .timeout = 60);

enum { REIGNS, STOPS, POLLS, GOES_ON }; /* words of the meeting */

static struct meeting *meeting;

/* As the C library's, and counted. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec left = timeout != NULL ? *timeout : (struct timespec){0};

    if (meeting != NULL) {
        advance(&meeting->words[POLLS]);
    }
    return (int)syscall(SYS_ppoll, fds, count, timeout != NULL ? &left : NULL, mask, _NSIG / 8);
}

/* Returns: its exit status. */
static int reign(struct sv_segment *segment, void *argument)
{
    struct sv_postmaster *postmaster = NULL;
    const uint32_t *stops_at = argument;

    if (sv_postmaster_create(segment, &postmaster) != 0) {
        return 1;
    }
    advance(&meeting->words[REIGNS]);
    await(&meeting->words[STOPS], *stops_at);
    sv_postmaster_stop(postmaster, 0);
    return 0;
}

static uint32_t open_files(void)
{
    DIR *directory = opendir("/proc/self/fd");
    uint32_t count = 0;

    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

/* Slot 0: wait for the postmaster's death, twice. Returns: 0; which claim is wrong. */
static int wait_for_its_death(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = attach_here(segment, 0);
    const uint32_t before = open_files();
    struct sv_latch_wait wait = {.timeout_ms = -1, .wait_postmaster = true};

    (void)argument;
    if (sv_latch_wait(self, &wait) != 0 || wait.postmaster_dead || !wait.is_set) {
        return 4;
    }
    sv_latch_reset(self);
    advance(&meeting->words[GOES_ON]);
    if (sv_latch_wait(self, &wait) != 0 || !wait.postmaster_dead || wait.is_set) {
        return 5;
    }
    return open_files() == before ? 0 : 6;
}

static uint64_t now_ms(void)
{
    return sv_os_now_ns() / 1000000;
}

/*
 * Claim:   who waits for the postmaster's death takes its end, once there is another one, for none;
 *          it watches that one then, in the same wait, sleeping, and has no file open afterwards
 *          that it had not before.
 * Method:  the one who waits is stopped (SIGSTOP) while the first postmaster ends and the second
 *          one begins. Then it looks four times, which takes two of its pieces of 100 ms, since
 *          nothing happens; its latch is set, and the second one killed.
 */
Test(successor_crash, the_successor_is_watched)
{
    struct sv_segment *segment = world((struct sv_config){0});
    uint32_t first_stops_at = 1;
    uint32_t second_stops_at = UINT32_MAX;
    int status = 0;

    meeting = meet();
    const pid_t first = fork_child(reign, segment, &first_stops_at);
    await(&meeting->words[REIGNS], 1);
    const pid_t waiter = fork_child(wait_for_its_death, segment, NULL);
    await_exactly(&segment->slots[0].sleep, SV_ASLEEP_IN_POLL);
    await(&meeting->words[POLLS], 2);
    cr_assert_eq(kill(waiter, SIGSTOP), 0);
    cr_assert(waitpid(waiter, &status, WUNTRACED) == waiter && WIFSTOPPED(status));
    advance(&meeting->words[STOPS]);
    assert_exited(reap(first), 0);
    const pid_t second = fork_child(reign, segment, &second_stops_at);
    await(&meeting->words[REIGNS], 2);
    const uint32_t polls = sv_load_acquire32(&meeting->words[POLLS]);
    const uint64_t began_ms = now_ms();
    cr_assert_eq(kill(waiter, SIGCONT), 0);
    await(&meeting->words[POLLS], polls + 6);
    cr_expect_geq(now_ms() - began_ms, 150, "it does not sleep");
    sv_latch_set(segment, 0);
    await(&meeting->words[GOES_ON], 1);
    kill_and_reap(second);
    assert_exited(reap(waiter), 0);
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    sv_segment_detach(segment);
}
