/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The OS seam: everything the core wants from the operating system that can block, signal, or
 * tell time, and the life locks. src/base/os_linux.c is the real one; an explorer links another.
 * Nothing else in src/ calls the OS for such a thing. (Files and mappings: src/shm/segment.c.)
 */
#ifndef SINVAL_BASE_OS_H
#define SINVAL_BASE_OS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t sv_os_now_ns(void);

/* A hint inside a short spin. */
void sv_os_spin(void);

/*
 * Sleep while *word == expected, at most timeout_ns, signals handled meanwhile. May return early for
 * any other reason; the caller looks again. Works across processes. Returns: true if the time ran
 * out, or if there can be no sleep.
 */
bool sv_os_wait(struct sv_atomic32 *word, uint32_t expected, uint64_t timeout_ns);

/* Wake at most count of those who sleep on word. */
void sv_os_wake(struct sv_atomic32 *word, uint32_t count);

/* A robust mutex; held by its backend for all its life. The only robust mutex there is. */
struct sv_life_lock {
    pthread_mutex_t mutex;
};

enum sv_life {
    SV_LIFE_BUSY,  /* somebody alive holds it */
    SV_LIFE_TAKEN, /* free before; the caller holds it now */
    SV_LIFE_DEAD,  /* its holder died; the caller holds it now, and recovers what it left */
};

void sv_os_life_init(struct sv_life_lock *life);
enum sv_life sv_os_life_try(struct sv_life_lock *life);
void sv_os_life_release(struct sv_life_lock *life);

/* The kernel's thread id of who holds it now, alive; 0 if nobody does. */
uint32_t sv_os_life_holder(const struct sv_life_lock *life);

/* Whom to signal: the ids are those of the thread that holds life. */
struct sv_signal_target {
    const struct sv_life_lock *life;
    uint32_t pid;
    uint32_t tid;
    int signal_number;
};

/*
 * Signal the thread or process that holds the life lock, and no other, even if pid has been
 * reused since it was read. Returns: 0; -ESRCH nobody is there any more; -errno.
 */
int sv_os_signal(const struct sv_signal_target *target);

/* The ids of the calling thread. */
uint32_t sv_os_pid(void);
uint32_t sv_os_tid(void);

/*
 * Install handler for signal_number, for good, with SA_RESTART. Returns: 0; -errno. A signal can
 * be under way to a backend that has just detached, so it is never uninstalled.
 */
int sv_os_signal_install(int signal_number, void (*handler)(int));

/* A file descriptor that can be read once that process is dead; -errno. */
int sv_os_process_watch(uint32_t pid);
void sv_os_close(int fd);

/* What sv_os_poll waits for. fds below 0 are left out. */
struct sv_os_poll {
    int fds[2];
    bool ready[2]; /* out: readable, ended, or failed */
};

/*
 * Sleep in poll while *word == expected, with signal_number (0: none) delivered only inside, so
 * that none is missed between the look at the word and the sleep. timeout_ns at most.
 * Returns: 0 (also early, also interrupted); -errno.
 */
int sv_os_poll(struct sv_os_poll *poll, struct sv_atomic32 *word, uint32_t expected,
               int signal_number, uint64_t timeout_ns);

/*
 * Sleep until one of count descriptors can be read, has ended or failed, at most timeout_ns; those
 * below 0 are left out. Returns: 0 (also early, also interrupted); -errno.
 */
int sv_os_poll_many(const int *fds, uint32_t count, uint64_t timeout_ns);

#endif
