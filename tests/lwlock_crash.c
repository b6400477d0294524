/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * LWLocks whose holders are killed: nobody waits for the dead (K1), and what they guarded is
 * repaired before anyone else gets in.
 */
#include <sys/mman.h>

#include "support.h"
#include "sync/lwlock.h"

TestSuite(lwlock_crash, .timeout = 60);

/* What the lock guards, and the sign that a child has got as far as it should. */
struct shared {
    struct sv_atomic32 there;
    struct sv_atomic32 stop;
    uint64_t first; /* always equal to second when the lock is free */
    uint64_t second;
    struct sv_atomic32 repairs;
    enum sv_lock lock;
    enum sv_lock_mode mode;
};

static struct shared *share(void)
{
    void *area = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(area, MAP_FAILED);
    return area;
}

static struct sv_backend *attach_in_child(struct sv_segment *segment)
{
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        _exit(3);
    }
    return self;
}

static void wait_until_there(struct shared *shared, uint32_t how_many)
{
    for (uint32_t seen; (seen = sv_load_acquire32(&shared->there)) < how_many;) {
        (void)sv_os_wait(&shared->there, seen, UINT64_C(100000000));
    }
}

static void say_there(struct shared *shared)
{
    (void)sv_fetch_add_seq32(&shared->there, 1);
    sv_os_wake(&shared->there, INT32_MAX);
}

static int hold_for_ever(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    struct sv_backend *self = attach_in_child(segment);
    sv_lwlock_acquire(self, shared->lock, shared->mode);
    say_there(shared);
    while (pause() == -1) {
    }
    return 0;
}

static void repair(void *argument)
{
    struct shared *shared = argument;
    shared->second = shared->first;
    (void)sv_fetch_add_seq32(&shared->repairs, 1);
}

/*
 * Claim:   a lock held by a killed backend is got by the next who wants it, in either mode.
 * Method:  each lock, each mode of the dead, each mode of the survivor; a survivor that waited for
 *          ever would run into the timeout. The take-over is counted.
 */
Test(lwlock_crash, a_lock_of_the_dead_is_taken_over_in_every_mode)
{
    struct shared *shared = share();
    uint32_t cases = 0;
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        for (int dead = 0; dead < 4; dead++) {
            const enum sv_lock_mode mode = dead % 2 ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED;
            const enum sv_lock_mode wanted = dead / 2 ? SV_LOCK_EXCLUSIVE : SV_LOCK_SHARED;
            if (lock == SV_LOCK_WRITE && dead != 3) {
                continue;
            }
            if (mode == SV_LOCK_SHARED && wanted == SV_LOCK_SHARED) {
                continue; /* they do not conflict */
            }
            struct sv_segment *segment =
                world((struct sv_config){.backends_max = 4, .capacity = 4, .table_rows_max = 4});
            struct sv_backend *self = join(segment);
            *shared = (struct shared){.lock = (enum sv_lock)lock, .mode = mode};
            const pid_t child = fork_child(hold_for_ever, segment, shared);
            wait_until_there(shared, 1);
            cr_assert_eq(sv_lwlock_try_acquire(self, (enum sv_lock)lock, wanted), SV_BUSY);
            kill_and_reap(child);
            sv_lwlock_acquire(self, (enum sv_lock)lock, wanted);
            sv_lwlock_release(self, (enum sv_lock)lock);
            cr_assert_eq(counted(segment, SV_STAT_locks_taken_over), 1, "lock %d dead %d", lock,
                         dead);
            cr_assert_eq(sv_backend_settle_dead(segment), 1);
            sv_backend_detach(self);
            sv_segment_detach(segment);
            cases++;
        }
    }
    cr_assert_eq(cases, 4 * 3 + 1);
}

/* Keep two numbers equal under the lock, until told to stop or killed. */
static int count_for_ever(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    sv_lwlock_set_repair(segment, SV_LOCK_APP_0, repair, shared);
    struct sv_backend *self = attach_in_child(segment);
    say_there(shared);
    while (sv_load_relaxed32(&shared->stop) == 0) {
        sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
        if (shared->first != shared->second) {
            _exit(1);
        }
        shared->first++;
        for (int i = 0; i < 50; i++) {
            sv_os_spin();
        }
        shared->second++;
        sv_lwlock_release(self, SV_LOCK_APP_0);
        sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_SHARED);
        const bool equal = shared->first == shared->second;
        sv_lwlock_release(self, SV_LOCK_APP_0);
        if (!equal) {
            _exit(2);
        }
        (void)sv_backend_settle_dead(segment);
    }
    sv_backend_detach(self);
    return 0;
}

/*
 * Claim:   mutual exclusion holds, and repair runs before anyone else gets in, whoever is killed.
 * Method:  four processes change two numbers under the lock and check them; 300 kills of the
 *          oldest at whatever instruction it is at, each replaced. Repairs must have happened.
 */
Test(lwlock_crash, nobody_sees_what_the_dead_left_half_done)
{
    enum { PROCESSES = 4, KILLS = 300 };
    struct sv_segment *segment =
        world((struct sv_config){.backends_max = PROCESSES + 2, .capacity = 4});
    struct shared *shared = share();
    sv_lwlock_set_repair(segment, SV_LOCK_APP_0, repair, shared);
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork_child(count_for_ever, segment, shared);
    }
    wait_until_there(shared, PROCESSES);
    for (uint32_t kills = 0; kills < KILLS; kills++) {
        const uint32_t victim = kills % PROCESSES;
        kill_and_reap(children[victim]);
        children[victim] = fork_child(count_for_ever, segment, shared);
        wait_until_there(shared, PROCESSES + kills + 1);
    }
    sv_store_release32(&shared->stop, 1);
    for (int i = 0; i < PROCESSES; i++) {
        const int status = reap(children[i]);
        cr_assert_eq(status, 0, "child %d ended with status %x", i, status);
    }
    (void)sv_backend_settle_dead(segment);
    cr_assert_gt(counted(segment, SV_STAT_locks_taken_over), 0, "no kill hit a holder");
    cr_assert_gt(sv_load_acquire32(&shared->repairs), 0, "no kill hit an exclusive holder");
    for (uint32_t slot = 0; slot < PROCESSES + 2; slot++) {
        struct sv_slot_state state;
        sv_slot_look(segment, slot, &state);
        cr_assert_not(state.in_use, "slot %u is still in use", slot);
    }
    sv_segment_detach(segment);
}

/*
 * Claim:   a backend that dies while it still waits for shared holders to leave has changed
 *          nothing, so nothing is repaired under them.
 * Method:  the test holds the lock shared; a child asks for it exclusively, is seen to own the
 *          word, and is killed; a second survivor waits it out. The repair must not have run.
 */
Test(lwlock_crash, no_repair_while_shared_holders_are_inside)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4, .capacity = 4});
    struct shared *shared = share();
    sv_lwlock_set_repair(segment, SV_LOCK_APP_0, repair, shared);
    struct sv_backend *holder = join(segment);
    struct sv_backend *other = join(segment);
    *shared = (struct shared){.lock = SV_LOCK_APP_0, .mode = SV_LOCK_EXCLUSIVE};
    sv_lwlock_acquire(holder, SV_LOCK_APP_0, SV_LOCK_SHARED);
    const pid_t child = fork_child(hold_for_ever, segment, shared);
    while (sv_lwlock_owner(segment, SV_LOCK_APP_0, NULL) == SV_SLOT_NONE) {
        sv_os_spin();
    }
    kill_and_reap(child);
    cr_assert_eq(sv_load_acquire32(&shared->there), 0, "the child got the lock");
    sv_lwlock_acquire(other, SV_LOCK_APP_0, SV_LOCK_SHARED);
    cr_assert_eq(counted(segment, SV_STAT_locks_taken_over), 1);
    cr_assert_eq(sv_load_acquire32(&shared->repairs), 0, "repaired under a shared holder");
    sv_lwlock_release(other, SV_LOCK_APP_0);
    sv_lwlock_release(holder, SV_LOCK_APP_0);
}

static void count_repair(void *argument)
{
    (void)sv_fetch_add_seq32(argument, 1);
}

/*
 * Claim:   each of the application's locks has a repair of its own, which runs when a holder of that
 *          lock died.
 * Method:  repairs registered for both; a holder of either is killed.
 */
Test(lwlock_crash, each_lock_of_the_application_has_its_own_repair)
{
    struct shared *shared = share();
    for (int lock = SV_LOCK_APP_0; lock <= SV_LOCK_APP_1; lock++) {
        struct sv_segment *segment = world((struct sv_config){.backends_max = 4, .capacity = 4});
        struct sv_atomic32 repairs[2] = {{0}, {0}};
        sv_lwlock_set_repair(segment, SV_LOCK_APP_0, count_repair, &repairs[0]);
        sv_lwlock_set_repair(segment, SV_LOCK_APP_1, count_repair, &repairs[1]);
        struct sv_backend *self = join(segment);
        *shared = (struct shared){.lock = (enum sv_lock)lock, .mode = SV_LOCK_EXCLUSIVE};
        const pid_t child = fork_child(hold_for_ever, segment, shared);
        wait_until_there(shared, 1);
        kill_and_reap(child);
        sv_lwlock_acquire(self, (enum sv_lock)lock, SV_LOCK_EXCLUSIVE);
        sv_lwlock_release(self, (enum sv_lock)lock);
        for (int other = SV_LOCK_APP_0; other <= SV_LOCK_APP_1; other++) {
            cr_assert_eq(sv_load_acquire32(&repairs[other - SV_LOCK_APP_0]), other == lock,
                         "lock %d died, repair of %d", lock, other);
        }
        cr_assert_eq(sv_backend_settle_dead(segment), 1);
        sv_backend_detach(self);
        sv_segment_detach(segment);
    }
    cr_assert_eq(munmap(shared, sizeof(*shared)), 0);
}
