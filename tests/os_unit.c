/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The OS seam on Linux: life locks in all ways to die, waiting, polling, descriptors of processes.
 * (Signals and who gets them: os_signal_unit.c.)
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "support.h"

TestSuite(os_unit, .timeout = 60);

#define FOR_EVER_NS (UINT64_C(3600) * 1000000000)
#define LIVES       1025 /* a thread that is every backend of a full segment, and its postmaster */

struct shared {
    struct sv_life_lock life;
    struct sv_atomic32 there;
    struct sv_atomic32 word;
    struct sv_atomic32 answers[3]; /* by enum sv_life */
    struct sv_life_lock lives[LIVES];
    int how;
};

static struct shared *share(void)
{
    void *area = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(area, MAP_FAILED);
    struct shared *shared = area;
    sv_os_life_init(&shared->life);
    return shared;
}

static void say_there(struct shared *shared)
{
    (void)sv_fetch_add_seq32(&shared->there, 1);
    sv_os_wake(&shared->there, INT32_MAX);
}

static void wait_until_there(struct shared *shared, uint32_t how_many)
{
    for (uint32_t seen; (seen = sv_load_acquire32(&shared->there)) < how_many;) {
        (void)sv_os_wait(&shared->there, seen, FOR_EVER_NS);
    }
}

static _Noreturn void pause_for_ever(void)
{
    for (;;) {
        (void)pause();
    }
}

static int hold_for_ever(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    (void)segment;
    if (sv_os_life_try(&shared->life) == SV_LIFE_BUSY) {
        return 3;
    }
    say_there(shared);
    pause_for_ever();
}

static int try_once(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    (void)segment;
    return (int)sv_os_life_try(&shared->life);
}

/*
 * Claim:   a life lock is free, or held by one, and says by whom.
 * Method:  take it; another process is refused; release it; another process gets it.
 */
Test(os_unit, a_life_lock_is_free_or_held_by_one)
{
    struct shared *shared = share();
    cr_assert_eq(sv_os_life_holder(&shared->life), 0);
    cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_TAKEN);
    cr_assert_eq(sv_os_life_holder(&shared->life), sv_os_tid());
    cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_BUSY, "its own holder is refused too");
    int status = reap(fork_child(try_once, NULL, shared));
    cr_assert_eq(WEXITSTATUS(status), SV_LIFE_BUSY);
    sv_os_life_release(&shared->life);
    cr_assert_eq(sv_os_life_holder(&shared->life), 0);
    status = reap(fork_child(try_once, NULL, shared));
    cr_assert_eq(WEXITSTATUS(status), SV_LIFE_TAKEN);
}

/* ---- ways to die ------------------------------------------------------------------------- */

enum way { KILLED, EXITS, ABORTS, EXECS, THREAD_ENDS, MAIN_THREAD_ENDS, WAYS };

static const char *const ways[] = {"is killed", "exits",       "aborts",
                                   "execs",     "thread ends", "main thread ends"};

static void *hold_and_return(void *argument)
{
    struct shared *shared = argument;
    if (sv_os_life_try(&shared->life) != SV_LIFE_TAKEN) {
        _exit(3);
    }
    return NULL;
}

static void *linger(void *argument)
{
    struct shared *shared = argument;
    while (sv_load_acquire32(&shared->word) == 0) {
        (void)sv_os_wait(&shared->word, 0, FOR_EVER_NS);
    }
    return NULL;
}

/* Die in that way, after taking the lock. Where only a thread dies the process lives on. */
static int die(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    pthread_t thread;
    (void)segment;
    if (shared->how == THREAD_ENDS) {
        if (pthread_create(&thread, NULL, hold_and_return, shared) != 0 ||
            pthread_join(thread, NULL) != 0) {
            return 3;
        }
        say_there(shared);
        (void)linger(shared);
    }
    (void)hold_and_return(shared);
    switch (shared->how) {
    case KILLED:
        return raise(SIGKILL);
    case ABORTS:
        (void)signal(SIGABRT, SIG_DFL);
        abort();
    case EXECS:
        (void)execl("/bin/true", "true", (char *)NULL);
        return 4;
    case MAIN_THREAD_ENDS:
        if (pthread_create(&thread, NULL, linger, shared) != 0) {
            return 3;
        }
        say_there(shared);
        pthread_exit(NULL);
    default:
        return 0;
    }
}

/*
 * Claim:   however the holder dies, the next try finds it dead and holds the lock from then on;
 *          also when only a thread of a living process died.
 * Method:  each way. Two of them leave a process, which is killed in the end. The main thread's
 *          end is not reported to anyone, so it is waited for by trying.
 */
Test(os_unit, every_way_to_die_is_found)
{
    for (int way = 0; way < WAYS; way++) {
        struct shared *shared = share();
        shared->how = way;
        const pid_t pid = fork_child(die, NULL, shared);
        const bool lives_on = way == THREAD_ENDS || way == MAIN_THREAD_ENDS;
        if (lives_on) {
            wait_until_there(shared, 1);
        } else {
            (void)reap(pid);
        }
        enum sv_life life = SV_LIFE_BUSY;
        do {
            life = sv_os_life_try(&shared->life);
        } while (way == MAIN_THREAD_ENDS && life == SV_LIFE_BUSY);
        cr_expect_eq(life, SV_LIFE_DEAD, "the holder %s: %d", ways[way], life);
        cr_expect_eq(sv_os_life_holder(&shared->life), sv_os_tid());
        sv_os_life_release(&shared->life);
        cr_expect_eq(sv_os_life_try(&shared->life), SV_LIFE_TAKEN, "after %s", ways[way]);
        if (lives_on) {
            kill_and_reap(pid);
        }
    }
}

/*
 * Claim:   a recoverer that dies is found dead like any holder, any number of times; the lock is
 *          never lost (K4).
 * Method:  a chain of 50, each takes what the one before it left, and is killed holding it.
 */
Test(os_unit, a_recoverer_that_dies_is_found_dead)
{
    struct shared *shared = share();
    for (uint32_t i = 0; i < 50; i++) {
        const pid_t pid = fork_child(hold_for_ever, NULL, shared);
        wait_until_there(shared, i + 1);
        cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_BUSY, "link %" PRIu32, i);
        kill_and_reap(pid);
        cr_assert_eq(sv_os_life_holder(&shared->life), 0, "the dead still named at %" PRIu32, i);
    }
    cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_DEAD);
    sv_os_life_release(&shared->life);
    cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_TAKEN);
}

/*
 * Claim:   a stopped holder is alive.
 * Method:  SIGSTOP, seen by waitpid; then the try.
 */
Test(os_unit, stopped_is_not_dead)
{
    struct shared *shared = share();
    const pid_t pid = fork_child(hold_for_ever, NULL, shared);
    wait_until_there(shared, 1);
    int status = 0;
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
    cr_assert(WIFSTOPPED(status));
    cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_BUSY);
    cr_assert_eq(sv_os_life_holder(&shared->life), (uint32_t)pid);
    kill_and_reap(pid);
    cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_DEAD);
}

static int try_and_count(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    (void)segment;
    say_there(shared);
    while (sv_load_acquire32(&shared->word) == 0) {
        (void)sv_os_wait(&shared->word, 0, FOR_EVER_NS);
    }
    (void)sv_fetch_add_seq32(&shared->answers[sv_os_life_try(&shared->life)], 1);
    say_there(shared);
    pause_for_ever();
}

/*
 * Claim:   of many that try the lock of a dead one at once, exactly one becomes its recoverer.
 * Method:  20 rounds of 6 processes that are let go together and live on.
 */
Test(os_unit, the_dead_have_one_recoverer)
{
    enum { RACERS = 6, ROUNDS = 20 };

    for (int round = 0; round < ROUNDS; round++) {
        struct shared *shared = share();
        shared->how = KILLED;
        (void)reap(fork_child(die, NULL, shared));
        pid_t racers[RACERS];
        for (int i = 0; i < RACERS; i++) {
            racers[i] = fork_child(try_and_count, NULL, shared);
        }
        wait_until_there(shared, RACERS);
        sv_store_release32(&shared->word, 1);
        sv_os_wake(&shared->word, INT32_MAX);
        wait_until_there(shared, 2 * RACERS);
        cr_assert_eq(sv_load_seq32(&shared->answers[SV_LIFE_DEAD]), 1, "round %d", round);
        cr_assert_eq(sv_load_seq32(&shared->answers[SV_LIFE_BUSY]), RACERS - 1);
        cr_assert_eq(sv_load_seq32(&shared->answers[SV_LIFE_TAKEN]), 0);
        for (int i = 0; i < RACERS; i++) {
            kill_and_reap(racers[i]);
        }
        cr_assert_eq(munmap(shared, sizeof(*shared)), 0);
    }
}

/*
 * Claim:   a child forked by the holder does not hold the lock, and its death frees nothing.
 * Method:  hold, fork, let the child try (refused) and end; others are still refused.
 */
Test(os_unit, a_fork_inherits_no_life)
{
    struct shared *shared = share();
    cr_assert_eq(sv_os_life_try(&shared->life), SV_LIFE_TAKEN);
    for (int i = 0; i < 2; i++) {
        const int status = reap(fork_child(try_once, NULL, shared));
        cr_assert_eq(WEXITSTATUS(status), SV_LIFE_BUSY, "child %d", i);
    }
    cr_assert_eq(sv_os_life_holder(&shared->life), sv_os_tid());
    sv_os_life_release(&shared->life);
}

static int hold_all_and_die(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    (void)segment;
    for (int i = 0; i < LIVES; i++) {
        if (sv_os_life_try(&shared->lives[i]) != SV_LIFE_TAKEN) {
            return 3;
        }
    }
    return raise(SIGKILL);
}

/*
 * Claim:   one thread can live as many lives as a segment has slots, and one more: the kernel
 *          marks all of them (it stops at 2,048).
 * Method:  a child takes 1,025 locks and is killed; each is found dead.
 */
Test(os_unit, a_thread_of_many_lives_dies_all_of_them)
{
    struct shared *shared = share();
    for (int i = 0; i < LIVES; i++) {
        sv_os_life_init(&shared->lives[i]);
    }
    cr_assert(WIFSIGNALED(reap(fork_child(hold_all_and_die, NULL, shared))));
    for (int i = 0; i < LIVES; i++) {
        cr_assert_eq(sv_os_life_try(&shared->lives[i]), SV_LIFE_DEAD, "life %d", i);
    }
    for (int i = 0; i < LIVES; i++) {
        sv_os_life_release(&shared->lives[i]);
    }
}

/*
 * Claim:   releasing what one does not hold is a programming error: it aborts.
 * Method:  the lock is held by another process.
 */
Test(os_unit, who_does_not_hold_a_life_lock_cannot_release_it, .signal = SIGABRT)
{
    struct shared *shared = share();
    (void)fork_child(hold_for_ever, NULL, shared);
    wait_until_there(shared, 1);
    sv_os_life_release(&shared->life);
}

/* ---- waiting ----------------------------------------------------------------------------- */

/* Sleep until the word leaves 1, then answer by setting it to 3. */
static int wait_for_two(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    (void)segment;
    say_there(shared);
    while (sv_load_acquire32(&shared->word) == 1) {
        if (sv_os_wait(&shared->word, 1, FOR_EVER_NS)) {
            return 1;
        }
    }
    sv_store_release32(&shared->word, 3);
    sv_os_wake(&shared->word, 1);
    return 0;
}

/*
 * Claim:   a wake reaches a sleeper in another process, whether it slept already or was about to.
 * Method:  100 rounds there and back, without a time limit that could stand in for a wake.
 */
Test(os_unit, a_wake_crosses_processes)
{
    struct shared *shared = share();
    for (uint32_t i = 0; i < 100; i++) {
        sv_store_release32(&shared->word, 1);
        const pid_t pid = fork_child(wait_for_two, NULL, shared);
        wait_until_there(shared, i + 1);
        sv_store_release32(&shared->word, 2);
        sv_os_wake(&shared->word, 1);
        while (sv_load_acquire32(&shared->word) == 2) {
            (void)sv_os_wait(&shared->word, 2, FOR_EVER_NS);
        }
        cr_assert_eq(reap(pid), 0, "round %" PRIu32, i);
    }
}

/*
 * Claim:   a wait ends when its time is over and says so, not before; and does not begin if the
 *          word has changed.
 */
Test(os_unit, a_wait_ends_with_its_time)
{
    struct shared *shared = share();
    const uint64_t before = sv_os_now_ns();
    while (!sv_os_wait(&shared->word, 0, 2000000)) {
    }
    cr_assert_geq(sv_os_now_ns() - before, 2000000);
    cr_assert_not(sv_os_wait(&shared->word, 1, FOR_EVER_NS), "no sleep, so no time ran out");
}

Test(os_unit, the_clock_does_not_go_back)
{
    uint64_t last = sv_os_now_ns();
    for (int i = 0; i < 10000; i++) {
        const uint64_t now = sv_os_now_ns();
        sv_os_spin();
        cr_assert_geq(now, last);
        last = now;
    }
}

/* ---- descriptors ------------------------------------------------------------------------- */

/*
 * Claim:   poll tells which descriptors can be read, have ended or are bad; leaves out those below
 *          0; and does not sleep if the word has changed.
 */
Test(os_unit, poll_tells_which_descriptor)
{
    struct sv_atomic32 word = {0};
    int ends[2];
    int silent[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(silent, O_CLOEXEC), 0);
    struct sv_os_poll poll = {.fds = {silent[0], ends[0]}};
    cr_assert_eq(sv_os_poll(&poll, &word, 1, 0, FOR_EVER_NS), 0, "the word has changed");
    cr_assert(!poll.ready[0] && !poll.ready[1]);
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, 1000000), 0, "nothing, and time runs out");
    cr_assert(!poll.ready[0] && !poll.ready[1]);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, FOR_EVER_NS), 0);
    cr_assert(!poll.ready[0] && poll.ready[1], "data");
    cr_assert_eq(sv_os_poll(&poll, &word, 1, 0, FOR_EVER_NS), 0);
    cr_assert(poll.ready[1], "readiness is told though the word has changed");
    char byte;
    cr_assert_eq(read(ends[0], &byte, 1), 1);
    cr_assert_eq(close(ends[1]), 0);
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, FOR_EVER_NS), 0);
    cr_assert(poll.ready[1], "its other end is closed");
    cr_assert_eq(close(ends[0]), 0);
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, FOR_EVER_NS), 0);
    cr_assert(poll.ready[1], "no such descriptor");
    poll.fds[0] = -1;
    poll.fds[1] = -1;
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, 1000000), 0);
    cr_assert(!poll.ready[0] && !poll.ready[1]);
}

/*
 * Claim:   waiting for many descriptors ends with the first that is ready, or with its time.
 */
Test(os_unit, one_of_many_descriptors_ends_the_wait)
{
    enum { MANY = 40 };

    int fds[MANY];
    int writers[MANY];
    for (int i = 0; i < MANY; i++) {
        int ends[2];
        cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
        fds[i] = i == 7 ? -1 : ends[0];
        writers[i] = ends[1];
    }
    const uint64_t before = sv_os_now_ns();
    cr_assert_eq(sv_os_poll_many(fds, MANY, 2000000), 0);
    cr_assert_geq(sv_os_now_ns() - before, 2000000, "nothing was ready");
    cr_assert_eq(write(writers[MANY - 1], "x", 1), 1);
    cr_assert_eq(sv_os_poll_many(fds, MANY, FOR_EVER_NS), 0);
    cr_assert_eq(sv_os_poll_many(NULL, 0, 1000), 0);
}

/*
 * Claim:   a watch of a process becomes readable when it dies, reaped or not, and not before; a
 *          process that is gone cannot be watched.
 */
Test(os_unit, a_watch_tells_of_a_death)
{
    struct shared *shared = share();
    struct sv_atomic32 word = {0};
    const pid_t pid = fork_child(hold_for_ever, NULL, shared);
    wait_until_there(shared, 1);
    const int fd = sv_os_process_watch((uint32_t)pid);
    cr_assert_geq(fd, 0);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC, "an exec must not inherit it");
    struct sv_os_poll poll = {.fds = {fd, -1}};
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, 1000000), 0);
    cr_assert_not(poll.ready[0]);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, FOR_EVER_NS), 0);
    cr_assert(poll.ready[0]);
    (void)reap(pid);
    cr_assert_eq(sv_os_poll(&poll, &word, 0, 0, FOR_EVER_NS), 0);
    cr_assert(poll.ready[0]);
    sv_os_close(fd);
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
    cr_assert_eq(sv_os_process_watch((uint32_t)pid), -ESRCH);
}
