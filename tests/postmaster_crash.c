/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The postmaster and death: of its children, its own, and of those who hold a lock for too long.
 */
#include "meeting.h"

TestSuite(postmaster_crash, .timeout = 120);

enum { STARTED, PID, GO, WAITED, CHILDREN = 4 }; /* words of the meeting; pids from CHILDREN on */

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

static int attach_and_pause(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)attach_here(segment, SIGUSR1);
    advance(&meeting->words[STARTED]);
    sleep_for_ever();
}

/*
 * Claim:   a killed child is noticed, settled and restarted, as often as it happens.
 * Method:  a table of one slot, so that the restarted child can attach only if what the dead left
 *          has been settled; five kills.
 */
Test(postmaster_crash, a_killed_child_is_settled_and_restarted)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 1});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t child = start(postmaster, attach_and_pause, meeting, true);
    for (uint32_t i = 1; i <= 5; i++) {
        await(&meeting->words[STARTED], i);
        const pid_t pid = sv_postmaster_pid(postmaster, child);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        struct sv_child_exit end;
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        cr_assert(end.child == child && end.pid == pid && end.restarted);
        cr_assert(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL);
        cr_assert_neq(sv_postmaster_pid(postmaster, child), pid);
        cr_assert_eq(counted(segment, SV_STAT_slots_settled), i);
    }
    await(&meeting->words[STARTED], 6);
    sv_postmaster_stop(postmaster, 5000);
    sv_segment_detach(segment);
}

/* ---- the postmaster's own death -------------------------------------------------------------- */

static int note_pid_and_pause(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    (void)attach_here(segment, 0);
    const uint32_t index = sv_fetch_add_seq32(&meeting->words[PID], 1);
    sv_store_release32(&meeting->words[CHILDREN + index], (uint32_t)getpid());
    advance(&meeting->words[STARTED]);
    sleep_for_ever();
}

static int reign_over_three(struct sv_segment *segment, void *argument)
{
    struct sv_postmaster *postmaster = NULL;
    const struct sv_child what = {.run = note_pid_and_pause, .argument = argument, .restart = true};
    uint32_t child = 0;
    if (sv_postmaster_create(segment, &postmaster) != 0) {
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        if (sv_postmaster_start(postmaster, &what, &child) != 0) {
            return 2;
        }
    }
    struct sv_child_exit end;
    return sv_postmaster_wait(postmaster, -1, &end);
}

/*
 * Claim:   a killed postmaster leaves no child, wakes who waits for its death, and can be
 *          succeeded.
 * Method:  this process becomes the one to whom orphans are given, so it can wait for them; it
 *          sleeps in a latch wait without a timeout until a fourth process has killed the
 *          postmaster.
 */
static int kill_the_postmaster(struct sv_segment *segment, void *argument)
{
    const pid_t *postmaster = argument;
    await_exactly(&segment->slots[0].sleep, SV_ASLEEP_IN_POLL);
    return kill(*postmaster, SIGKILL) == 0 ? 0 : 1;
}

Test(postmaster_crash, a_killed_postmaster_leaves_no_child_and_is_noticed)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct meeting *meeting = meet();
    struct sv_backend *self = join(segment);
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t postmaster = fork_child(reign_over_three, segment, meeting);
    await(&meeting->words[STARTED], 3);
    const pid_t killer = fork_child(kill_the_postmaster, segment, &postmaster);
    struct sv_latch_wait wait = {.timeout_ms = -1, .wait_postmaster = true};
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert(wait.postmaster_dead && !wait.is_set && !wait.timed_out);
    cr_assert_eq(WTERMSIG(reap(postmaster)), SIGKILL);
    assert_exited(reap(killer), 0);
    for (int i = 0; i < 3; i++) {
        const pid_t child = (pid_t)sv_load_acquire32(&meeting->words[CHILDREN + i]);
        cr_assert_eq(WTERMSIG(reap(child)), SIGKILL);
    }
    struct sv_postmaster *successor = reign(segment);
    wait.timeout_ms = 0;
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
    cr_assert_not(wait.postmaster_dead);
    sv_postmaster_stop(successor, 0);
    cr_assert_eq(sv_backend_settle_dead(segment), 0, "the successor has settled them");
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* ---- who holds a lock for too long ----------------------------------------------------------- */

#define LIMIT_MS         40
#define LONG_LIMIT_MS    300  /* where the innocent must not be killed, on a busy machine either */
#define PATIENT_LIMIT_MS 3000 /* where two children must be got going within it */

struct holding {
    struct meeting *meeting;
    enum sv_lock lock;
    enum sv_lock_mode mode;
};

/* Take the lock, and stop with it. */
static int stop_with_lock(struct sv_segment *segment, void *argument)
{
    const struct holding *holding = argument;
    struct sv_backend *self = attach_here(segment, 0);
    sv_lwlock_acquire(self, holding->lock, holding->mode);
    advance(&holding->meeting->words[STARTED]);
    (void)raise(SIGSTOP);
    sv_lwlock_release(self, holding->lock);
    return 0;
}

/*
 * Claim:   a child that is stopped while it holds a lock is killed, in whatever mode, and the lock
 *          is free again; also when the postmaster itself waits for that lock.
 * Method:  each lock, each mode; before the postmaster looks, another child is killed, so that it
 *          has something to settle, which takes write_lock and read_lock. Without the watch inside
 *          lock waits it would wait there for ever.
 */
static void stop_while_holding(enum sv_lock lock, enum sv_lock_mode mode)
{
    struct sv_segment *segment = world((struct sv_config){.lock_hold_max_ms = LIMIT_MS});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t dead = start(postmaster, attach_and_pause, meeting, false);
    await(&meeting->words[STARTED], 1);
    struct holding holding = {meeting, lock, mode};
    const uint32_t holder = start(postmaster, stop_with_lock, &holding, false);
    await(&meeting->words[STARTED], 2);
    cr_assert_eq(kill(sv_postmaster_pid(postmaster, dead), SIGKILL), 0);
    for (int i = 0; i < 2; i++) {
        struct sv_child_exit end;
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        cr_assert(end.child == dead || end.child == holder);
        cr_assert(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL);
    }
    struct sv_backend *self = join(segment);
    cr_assert_eq(sv_lwlock_try_acquire(self, lock, SV_LOCK_EXCLUSIVE), 0);
    sv_lwlock_release(self, lock);
    sv_backend_detach(self);
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}

Test(postmaster_crash, who_holds_a_lock_exclusively_for_too_long_is_killed)
{
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        stop_while_holding((enum sv_lock)lock, SV_LOCK_EXCLUSIVE);
    }
}

Test(postmaster_crash, who_holds_a_lock_shared_for_too_long_is_killed)
{
    const enum sv_lock shared[] = {SV_LOCK_APP_0, SV_LOCK_APP_1, SV_LOCK_TABLE, SV_LOCK_READ};

    for (int i = 0; i < 4; i++) {
        stop_while_holding(shared[i], SV_LOCK_SHARED);
    }
}

/* Hold app_1 shared until told that the one who waits for it is stopped. */
static int hold_until_the_waiter_is_stopped(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    sv_lwlock_acquire(self, SV_LOCK_APP_1, SV_LOCK_SHARED);
    advance(&meeting->words[STARTED]);
    await(&meeting->words[GO], 1);
    sv_lwlock_release(self, SV_LOCK_APP_1);
    sv_backend_detach(self);
    return 0;
}

static int take_exclusively(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    advance(&meeting->words[STARTED]);
    sv_lwlock_acquire(self, SV_LOCK_APP_1, SV_LOCK_EXCLUSIVE);
    sleep_for_ever();
}

/*
 * Claim:   one that is stopped while it waits for the shared holders of its lock to leave is killed
 *          once they have: nobody else can take the lock before.
 * Method:  a shared holder stays until the exclusive taker's word stands in the lock and it is
 *          stopped; then leaves.
 */
Test(postmaster_crash, who_is_stopped_while_a_lock_is_being_granted_is_killed)
{
    struct sv_segment *segment = world((struct sv_config){.lock_hold_max_ms = LIMIT_MS});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t holder = start(postmaster, hold_until_the_waiter_is_stopped, meeting, false);
    await(&meeting->words[STARTED], 1);
    const uint32_t taker = start(postmaster, take_exclusively, meeting, false);
    await(&meeting->words[STARTED], 2);
    while (sv_load_acquire32(&segment->slots[1].waits_for_lock) == 0) {
        (void)sv_os_wait(&segment->slots[1].waits_for_lock, 0, A_WHILE_NS);
    }
    cr_assert_eq(kill(sv_postmaster_pid(postmaster, taker), SIGSTOP), 0);
    advance(&meeting->words[GO]);
    struct sv_child_exit end;
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
    cr_assert_eq(end.child, holder);
    assert_exited(end.status, 0);
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
    cr_assert_eq(end.child, taker);
    cr_assert_eq(WTERMSIG(end.status), SIGKILL);
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}

/* Hold app_0; when told to, wait for app_1 with it. */
static int wait_with_lock(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    advance(&meeting->words[STARTED]);
    await(&meeting->words[GO], 1);
    sv_lwlock_acquire(self, SV_LOCK_APP_1, SV_LOCK_EXCLUSIVE);
    sv_lwlock_release(self, SV_LOCK_APP_1);
    sv_lwlock_release(self, SV_LOCK_APP_0);
    sv_backend_detach(self);
    advance(&meeting->words[WAITED]);
    return 0;
}

/*
 * Claim:   who holds a lock because it waits for another one is not killed: the other one's holder
 *          is, though it took its lock later.
 * Method:  one child holds app_0, seen so by the postmaster; then a second one takes app_1 and
 *          stops with it; then the first waits for app_1. It must end by itself, having had it.
 *          The limit leaves a loaded machine the time to start the second child.
 */
Test(postmaster_crash, who_waits_with_a_lock_is_not_killed)
{
    struct sv_segment *segment = world((struct sv_config){.lock_hold_max_ms = PATIENT_LIMIT_MS});
    struct meeting *meeting = meet();
    struct sv_postmaster *postmaster = reign(segment);
    const uint32_t waiter = start(postmaster, wait_with_lock, meeting, false);
    await(&meeting->words[STARTED], 1);
    struct sv_child_exit end;
    cr_assert_eq(sv_postmaster_wait(postmaster, PATIENT_LIMIT_MS / 6, &end), SV_TIMEOUT);
    struct holding holding = {meeting, SV_LOCK_APP_1, SV_LOCK_SHARED};
    const uint32_t culprit = start(postmaster, stop_with_lock, &holding, false);
    await(&meeting->words[STARTED], 2);
    advance(&meeting->words[GO]);
    for (int i = 0; i < 2; i++) { /* who of two that have ended is told first is open */
        cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
        if (end.child == culprit) {
            cr_assert(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL);
        } else {
            cr_assert_eq(end.child, waiter);
            assert_exited(end.status, 0);
        }
    }
    cr_assert_eq(sv_load_acquire32(&meeting->words[WAITED]), 1);
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}

/* Hold locks most of the time, none for long, for four times the limit. */
static int hold_often(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = attach_here(segment, 0);
    const uint64_t until_ns = sv_os_now_ns() + UINT64_C(4) * LONG_LIMIT_MS * A_WHILE_NS;
    (void)argument;
    while (sv_os_now_ns() < until_ns) {
        const enum sv_lock_mode mode = sv_os_now_ns() % 2 ? SV_LOCK_SHARED : SV_LOCK_EXCLUSIVE;
        sv_lwlock_acquire(self, SV_LOCK_APP_0, mode);
        sv_lwlock_acquire(self, SV_LOCK_TABLE, mode);
        sv_lwlock_release(self, SV_LOCK_TABLE);
        sv_lwlock_release(self, SV_LOCK_APP_0);
    }
    sv_backend_detach(self);
    return 0;
}

/*
 * Claim:   many short holds are not taken for a long one.
 * Method:  a child that nearly always holds a lock, for four times the limit.
 */
Test(postmaster_crash, who_holds_a_lock_often_is_not_killed)
{
    struct sv_segment *segment = world((struct sv_config){.lock_hold_max_ms = LONG_LIMIT_MS});
    struct sv_postmaster *postmaster = reign(segment);
    (void)start(postmaster, hold_often, NULL, false);
    struct sv_child_exit end;
    cr_assert_eq(sv_postmaster_wait(postmaster, -1, &end), 0);
    assert_exited(end.status, 0);
    sv_postmaster_stop(postmaster, 0);
    sv_segment_detach(segment);
}
