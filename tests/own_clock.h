/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A clock of the test's own.
 *
 * From own_clock_begin to own_clock_end the monotonic clock stands still, but for sleeps of the OS
 * seam: each ends at once, and moves the clock by as long as it would have lasted at most. So a
 * timeout of an hour can be waited for, and that it was is known to the nanosecond. For this the
 * executable that includes this file (once) has a clock_gettime, a syscall and a ppoll of its own.
 * It is for sleeps that nobody ends: nothing but time passes in them. Meanwhile signals to other
 * processes are written down and not sent.
 */
#ifndef SINVAL_TESTS_OWN_CLOCK_H
#define SINVAL_TESTS_OWN_CLOCK_H

#include <dlfcn.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>

#include "meeting.h"

#define NS_PER_S UINT64_C(1000000000)

#define STRIKES_MAX 16

struct own_clock {
    bool on;
    long watched;             /* the process that was looked at last */
    long struck[STRIKES_MAX]; /* whom a signal would have been sent to: none is */
    uint32_t strikes;
    uint64_t slept_ns;
    int look_error;  /* with what a poll that only looks fails; 0: it does not */
    int sleep_error; /* a poll that sleeps */
};

static _Thread_local struct own_clock own_clock; /* of who began it: others have the real one */

static void own_clock_begin(void)
{
    own_clock = (struct own_clock){.on = true};
}

/* Returns: nanoseconds slept. */
static uint64_t own_clock_end(void)
{
    own_clock.on = false;
    return own_clock.slept_ns;
}

static int own_clock_sleep(const struct timespec *time)
{
    own_clock.slept_ns += (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_nsec;
    return 0;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (!own_clock.on) {
        int (*real)(clockid_t, struct timespec *) =
            (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
        return real(id, now);
    }
    const uint64_t now_ns = 1000 * NS_PER_S + own_clock.slept_ns;
    *now = (struct timespec){.tv_sec = (time_t)(now_ns / NS_PER_S),
                             .tv_nsec = (long)(now_ns % NS_PER_S)};
    return 0;
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
    if (own_clock.on && number == SYS_futex && a[1] == FUTEX_WAIT) {
        const struct timespec *timeout = NULL;
        memcpy(&timeout, &a[3], sizeof(timeout));
        errno = ETIMEDOUT;
        return own_clock_sleep(timeout) - 1;
    }
    if (own_clock.on && number == SYS_pidfd_open) {
        own_clock.watched = a[0];
    }
    if (own_clock.on && number == SYS_pidfd_send_signal) {
        own_clock.struck[own_clock.strikes++ % STRIKES_MAX] = own_clock.watched;
        return 0;
    }
    long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    if (!own_clock.on) {
        int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *) =
            (int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))dlsym(
                RTLD_NEXT, "ppoll");
        return real(fds, count, timeout, mask);
    }
    const bool look_only = timeout->tv_sec == 0 && timeout->tv_nsec == 0;
    errno = look_only ? own_clock.look_error : own_clock.sleep_error;
    return errno == 0 ? own_clock_sleep(timeout) : -1;
}

#endif
