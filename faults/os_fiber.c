/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The OS seam on a simulated machine (faults/explore/machine.h): what base/os_linux.c is on Linux.
 *
 * Each call that others can notice is a step of its own, taken when it is the caller's turn:
 * looking at a word and going to sleep on it are one, as in the kernel. A sleep goes on after a
 * signal's handler has run, unless the word has changed.
 *
 * A life lock is two words in the place of the mutex: the id of its holder (machine_id), 0: nobody;
 * and whether its last holder died. The machine writes both when a backend dies.
 *
 * All backends are threads of one process as far as ids go; descriptors and other processes there
 * are none.
 */
#include <errno.h>

#include "base/os.h"
#include "faults/explore/guards.h"
#include "faults/explore/machine.h"

#define PID 1

enum { HOLDER, OWNER_DEAD, LIFE_WORDS };

_Static_assert(sizeof(struct sv_life_lock) >= LIFE_WORDS * sizeof(uint32_t), "it fits");

static uint32_t *words_of(struct sv_life_lock *life)
{
    return (uint32_t *)(void *)life;
}

uint64_t sv_os_now_ns(void)
{
    return machine_now_ns();
}

void sv_os_spin(void)
{
    machine_spin();
}

bool sv_os_wait(struct sv_atomic32 *word, uint32_t expected, uint64_t timeout_ns)
{
    const uint64_t began_ns = machine_now_ns();

    for (;;) {
        const uint64_t passed_ns = machine_now_ns() - began_ns;
        machine_step(EXPLORE_WAIT, word, sizeof(*word));
        if (sv_load_seq32(word) != expected) {
            return false;
        }
        if (passed_ns >= timeout_ns) {
            return true;
        }
        const enum machine_waking waking =
            machine_sleep(&(struct machine_bed){.word = word,
                                                .expected = expected,
                                                .wakeable = true,
                                                .timeout_ns = timeout_ns - passed_ns});
        if (waking != MACHINE_INTERRUPTED) {
            return waking == MACHINE_TIMED_OUT;
        }
    }
}

void sv_os_wake(struct sv_atomic32 *word, uint32_t count)
{
    machine_step(EXPLORE_WAKE, word, sizeof(*word));
    machine_wake(word, count);
}

void sv_os_life_init(struct sv_life_lock *life)
{
    words_of(life)[HOLDER] = 0;
    words_of(life)[OWNER_DEAD] = 0;
    machine_life_add(life);
}

enum sv_life sv_os_life_try(struct sv_life_lock *life)
{
    uint32_t *words = words_of(life);

    machine_step(EXPLORE_UPDATE, words, LIFE_WORDS * sizeof(*words));
    if (words[HOLDER] != 0) {
        return SV_LIFE_BUSY;
    }
    const enum sv_life found = words[OWNER_DEAD] != 0 ? SV_LIFE_DEAD : SV_LIFE_TAKEN;
    words[HOLDER] = sv_os_tid();
    words[OWNER_DEAD] = 0;
    explore_guard_take(life, false);
    return found;
}

void sv_os_life_release(struct sv_life_lock *life)
{
    uint32_t *words = words_of(life);

    explore_guard_leave(life, false);
    machine_step(EXPLORE_UPDATE, words, LIFE_WORDS * sizeof(*words));
    if (words[HOLDER] != sv_os_tid()) {
        machine_fail(ORACLE_O3, "a life lock is released by who does not hold it");
    }
    words[HOLDER] = 0;
}

uint32_t sv_os_life_holder(const struct sv_life_lock *life)
{
    const uint32_t *words = (const uint32_t *)(const void *)life;

    machine_step(EXPLORE_READ, words, LIFE_WORDS * sizeof(*words));
    return words[HOLDER];
}

uint32_t sv_os_pid(void)
{
    return PID;
}

uint32_t sv_os_tid(void)
{
    return machine_id(machine_self());
}

int sv_os_signal(const struct sv_signal_target *target)
{
    if (target->tid == 0 || sv_os_life_holder(target->life) != target->tid) {
        return -ESRCH;
    }
    machine_signal(machine_of(target->tid));
    return 0;
}

int sv_os_signal_install(int signal_number, void (*handler)(int))
{
    machine_handler_set(handler, signal_number);
    return 0;
}

int sv_os_process_watch(uint32_t pid)
{
    (void)pid;
    return -ENOSYS;
}

void sv_os_close(int fd)
{
    (void)fd;
}

int sv_os_poll(struct sv_os_poll *poll, struct sv_atomic32 *word, uint32_t expected,
               int signal_number, uint64_t timeout_ns)
{
    (void)signal_number;
    poll->ready[0] = false;
    poll->ready[1] = false;
    machine_step(EXPLORE_READ, word, sizeof(*word));
    if (sv_load_seq32(word) == expected && timeout_ns > 0) {
        (void)machine_sleep(
            &(struct machine_bed){.word = word, .expected = expected, .timeout_ns = timeout_ns});
    }
    return 0;
}

/* For postmasters only, and here are none. */
int sv_os_poll_many(const int *fds, uint32_t count, uint64_t timeout_ns)
{
    (void)fds;
    (void)count;
    (void)timeout_ns;
    return -ENOSYS;
}
