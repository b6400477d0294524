/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The postmaster: children that end by themselves.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdio.h>

#include "meeting.h"

TestSuite(postmaster_unit, .timeout = 60);

/* With `refuse` set, the system lets nobody fork. */
static bool refuse;

pid_t fork(void)
{
    pid_t (*real)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    if (refuse) {
        errno = EAGAIN;
        return -1;
    }
    return real();
}

enum { STARTED }; /* words of the meeting */

static struct sv_postmaster *reign(struct sv_segment *segment)
{
    struct sv_postmaster *postmaster = NULL;
    cr_assert_eq(sv_postmaster_create(segment, &postmaster), 0);
    return postmaster;
}

static uint32_t start(struct sv_postmaster *postmaster,
                      int (*run)(struct sv_segment *segment, void *argument), void *argument,
                      bool restart)
{
    const struct sv_child what = {.run = run, .argument = argument, .restart = restart};
    uint32_t child = 0;
    cr_assert_eq(sv_postmaster_start(postmaster, &what, &child), 0);
    return child;
}

static int exit_with_7(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    return 7;
}

static int exit_with_0(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    return 0;
}

static int start_and_pause(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)segment;
    advance(&meeting->words[STARTED]);
    sleep_for_ever();
}

/*
 * Claim:   a child's end is reported once, with its number, pid and status; then nobody is left.
 * Method:  two children exit with 7 and 0; waits until there is none.
 */
Test(postmaster_unit, an_end_is_reported_with_its_status)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t seven = start(postmaster, exit_with_7, NULL, false);
    const uint32_t zero = start(postmaster, exit_with_0, NULL, false);
    const pid_t pids[2] = {sv_postmaster_pid(postmaster, seven),
                           sv_postmaster_pid(postmaster, zero)};
    cr_assert(seven != zero && pids[0] > 0 && pids[1] > 0 && pids[0] != pids[1]);
    for (int i = 0; i < 2; i++) {
        struct sv_child_exit end;
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        cr_assert_eq(end.pid, pids[end.child == zero]);
        assert_exited(end.status, end.child == zero ? 0 : 7);
        cr_assert_not(end.restarted);
        cr_assert_eq(sv_postmaster_pid(postmaster, end.child), 0);
    }
    struct sv_child_exit end;
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), SV_NOT_FOUND);
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   the number of a child whose end was reported is given again.
 * Method:  beside a child that runs on, one after another ends, is reported, and is replaced.
 */
Test(postmaster_unit, a_number_is_given_again_after_its_end)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_postmaster *postmaster = reign(segment);
    struct meeting *meeting = meet();
    const uint32_t staying = start(postmaster, start_and_pause, meeting, false);
    const uint32_t first = start(postmaster, exit_with_7, NULL, false);
    cr_assert_neq(first, staying);
    for (int i = 0; i < 3; i++) {
        struct sv_child_exit end;
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        cr_assert_eq(end.child, first);
        cr_assert_eq(start(postmaster, exit_with_7, NULL, false), first, "child %d", i);
    }
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   a wait ends after its timeout while children run.
 * Method:  a child that does not end.
 */
Test(postmaster_unit, a_wait_times_out_while_nobody_dies)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    (void)start(postmaster, start_and_pause, meeting, true);
    await(&meeting->words[STARTED], 1);
    struct sv_child_exit end;
    const uint64_t before_ns = sv_os_now_ns();
    cr_assert_eq(sv_postmaster_wait(postmaster, 130, &end), SV_TIMEOUT);
    cr_assert_geq(sv_os_now_ns() - before_ns, UINT64_C(130000000));
    cr_assert_eq(sv_postmaster_wait(postmaster, 0, &end), SV_TIMEOUT);
    sv_postmaster_stop(postmaster, 5000);
    sv_segment_detach(segment);
}

/* Exits with 1 twice, then with 0. */
static int third_time_lucky(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)segment;
    return sv_fetch_add_seq32(&meeting->words[STARTED], 1) == 2 ? 0 : 1;
}

/*
 * Claim:   a child that should be restarted is, when it exits non-zero, under the same number; an
 *          exit with 0 is its end.
 * Method:  one that fails twice.
 */
Test(postmaster_unit, a_child_that_fails_is_restarted_until_it_does_not)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t child = start(postmaster, third_time_lucky, meeting, true);
    struct sv_child_exit end;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        cr_assert_eq(end.child, child);
        cr_assert_eq(end.restarted, i < 2);
        assert_exited(end.status, i < 2 ? 1 : 0);
    }
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), SV_NOT_FOUND);
    cr_assert_eq(sv_load_acquire32(&meeting->words[STARTED]), 3);
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   a restart that the system refuses is tried again until it succeeds.
 * Method:  no fork succeeds when the child ends; one does, later. Meanwhile there is a child that
 *          is to run, so the wait does not say that nobody is left. A start that fails says so.
 */
Test(postmaster_unit, a_restart_that_is_refused_is_tried_again)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t child = start(postmaster, third_time_lucky, meeting, true);
    struct sv_child_exit end;
    refuse = true;
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
    cr_assert(end.restarted && sv_postmaster_pid(postmaster, child) == 0);
    cr_assert_eq(sv_postmaster_wait(postmaster, 20, &end), SV_TIMEOUT);
    const struct sv_child what = {.run = exit_with_0};
    uint32_t refused = 0;
    cr_assert_eq(sv_postmaster_start(postmaster, &what, &refused), -EAGAIN);
    refuse = false;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        cr_assert_eq(end.child, child);
    }
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), SV_NOT_FOUND);
    cr_assert_eq(sv_load_acquire32(&meeting->words[STARTED]), 3);
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   stop does not wait for a restart that was refused.
 * Method:  such a one is due when it stops.
 */
Test(postmaster_unit, stop_forgets_what_was_due)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_postmaster *postmaster = reign(segment);
    (void)start(postmaster, exit_with_7, NULL, true);
    struct sv_child_exit end;
    refuse = true;
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
    cr_assert(end.restarted);
    sv_postmaster_stop(postmaster, -1);
    cr_assert_eq(waitpid(-1, NULL, 0), -1);
    cr_assert_eq(errno, ECHILD);
    sv_segment_detach(segment);
}

/* Until that child has ended; it stays to be waited for. */
static void await_end(pid_t pid)
{
    siginfo_t info;
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/*
 * Claim:   a child that fails as fast as it is restarted does not hide the end of another one,
 *          whichever was started first.
 * Method:  one always has failed again before the next wait; the others have ended, too. Each is
 *          reported within as many waits as there are children.
 */
Test(postmaster_unit, a_child_that_always_fails_does_not_hide_the_others)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t before = start(postmaster, exit_with_0, NULL, false);
    const uint32_t failing = start(postmaster, exit_with_7, NULL, true);
    const uint32_t after = start(postmaster, exit_with_0, NULL, false);
    await_end(sv_postmaster_pid(postmaster, before));
    await_end(sv_postmaster_pid(postmaster, after));
    bool reported[3] = {false};
    for (int i = 0; i < 3; i++) {
        await_end(sv_postmaster_pid(postmaster, failing));
        struct sv_child_exit end;
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        reported[end.child] = true;
    }
    cr_assert(reported[before] && reported[failing] && reported[after]);
    sv_postmaster_stop(postmaster, 5000);
    sv_segment_detach(segment);
}

/*
 * Claim:   a segment has one postmaster at a time.
 * Method:  a second create while there is one, and after it has stopped.
 */
Test(postmaster_unit, there_is_one_postmaster_at_a_time)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_postmaster *postmaster = reign(segment);
    struct sv_postmaster *other = NULL;
    cr_assert_eq(sv_postmaster_create(segment, &other), -EBUSY);
    sv_postmaster_stop(postmaster, 0);
    other = reign(segment);
    cr_assert_eq(sv_load_acquire32(&segment->header->postmaster_pid), (uint32_t)getpid());
    sv_postmaster_stop(other, 0);
    cr_assert_eq(sv_load_acquire32(&segment->header->postmaster_pid), 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   the end of a child for which somebody else has waited is reported with exit status 255,
 *          and as a failure: one to be restarted is.
 * Method:  the test waits for a child that exits with 0.
 */
Test(postmaster_unit, an_end_that_somebody_else_waited_for_is_reported)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_postmaster *postmaster = reign(segment);
    for (int restart = 0; restart < 2; restart++) {
        const uint32_t child = start(postmaster, exit_with_0, NULL, restart == 1);
        const pid_t pid = sv_postmaster_pid(postmaster, child);
        assert_exited(reap(pid), 0);
        struct sv_child_exit end;
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        cr_assert(end.child == child && end.pid == pid && end.restarted == (restart == 1));
        assert_exited(end.status, 255);
    }
    sv_postmaster_stop(postmaster, 5000);
    sv_segment_detach(segment);
}

static int attach_and_leave_it(struct sv_segment *segment, void *argument)
{
    (void)argument;
    (void)attach_here(segment, 0);
    return 0;
}

/*
 * Claim:   a wait settles also those who died and were nobody's children.
 * Method:  a process of the test's own ends without detaching, while a child runs on.
 */
Test(postmaster_unit, a_wait_settles_strangers)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    (void)start(postmaster, start_and_pause, meeting, false);
    await(&meeting->words[STARTED], 1);
    assert_exited(reap(fork_child(attach_and_leave_it, segment, NULL)), 0);
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 0);
    struct sv_child_exit end;
    cr_assert_eq(sv_postmaster_wait(postmaster, 0, &end), SV_TIMEOUT);
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 1);
    sv_postmaster_stop(postmaster, 5000);
    sv_segment_detach(segment);
}

static int ignore_sigterm(struct sv_segment *segment, void *argument)
{
    if (signal(SIGTERM, SIG_IGN) == SIG_ERR) {
        return 1;
    }
    (void)attach_here(segment, SIGUSR1);
    return start_and_pause(segment, argument);
}

/*
 * Claim:   stop ends all children, also those that ignore SIGTERM or are stopped, and settles what
 *          they left.
 * Method:  twelve children of three kinds, more than the first room for children; afterwards this
 *          process has no child left, and every slot is free.
 */
Test(postmaster_unit, stop_leaves_no_child)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    for (int i = 0; i < 12; i++) {
        const uint32_t child =
            start(postmaster, i % 3 == 0 ? ignore_sigterm : start_and_pause, meeting, i % 3 == 1);
        if (i % 3 == 2) {
            cr_assert_eq(kill(sv_postmaster_pid(postmaster, child), SIGSTOP), 0);
        }
    }
    await(&meeting->words[STARTED], 8);
    sv_postmaster_stop(postmaster, 20);
    cr_assert_eq(waitpid(-1, NULL, 0), -1);
    cr_assert_eq(errno, ECHILD);
    for (uint32_t slot = 0; slot < sv_segment_slots_used(segment); slot++) {
        cr_assert_eq(sv_load_acquire32(&segment->slots[slot].phase), SV_SLOT_FREE);
    }
    sv_segment_detach(segment);
}

/* How many process descriptors this process has. */
static int process_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[64];
        char target[64] = "";
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        count += readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "pidfd") != NULL;
    }
    return count;
}

static int look_at_oneself(struct sv_segment *segment, void *argument)
{
    sigset_t blocked;
    (void)segment;
    (void)argument;
    if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) != 0 || sigismember(&blocked, SIGUSR1) != 0) {
        return 1;
    }
    return process_descriptors() == 0 ? 0 : 2;
}

/*
 * Claim:   a child begins with no signal blocked, and without its siblings' process descriptors.
 * Method:  the parent blocks SIGUSR1, and has a descriptor of a child started before.
 */
Test(postmaster_unit, a_child_begins_with_nothing_of_the_postmasters)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    cr_assert_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    (void)start(postmaster, start_and_pause, meeting, false);
    cr_assert_eq(process_descriptors(), 1);
    const uint32_t child = start(postmaster, look_at_oneself, NULL, false);
    struct sv_child_exit end;
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
    cr_assert_eq(end.child, child);
    assert_exited(end.status, 0);
    sv_postmaster_stop(postmaster, 5000);
    cr_assert_eq(process_descriptors(), 0);
    sv_segment_detach(segment);
}

/* ---- waiting for the postmaster's death ------------------------------------------------------ */

/*
 * Claim:   a wait for the postmaster's death ends at once if there is none, and does not end while
 *          it lives.
 * Method:  look without a postmaster, with one, and after it has stopped.
 */
Test(postmaster_unit, a_latch_wait_knows_whether_there_is_a_postmaster)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_latch_wait wait = {.timeout_ms = -1, .wait_postmaster = true};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.postmaster_dead && !wait.is_set);

    struct sv_postmaster *postmaster = reign(segment);
    wait.timeout_ms = 10;
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(!wait.postmaster_dead && wait.timed_out);

    sv_postmaster_stop(postmaster, 0);
    wait.timeout_ms = -1;
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.postmaster_dead);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
