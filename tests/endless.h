/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sleeps without a net.
 *
 * A sleep looks again after 100 ms, so a wake-up that is lost costs time only, and no test would
 * see it. Here that net can be taken away: with `endless` set, a sleep of the OS seam ends only
 * when somebody ends it, and a lost wake-up hangs the test. For this the executable that includes
 * this file (once) has a syscall and a ppoll of its own.
 */
#ifndef SINVAL_TESTS_ENDLESS_H
#define SINVAL_TESTS_ENDLESS_H

#include <dlfcn.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "meeting.h"

/* Set it around the wait. */
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

#endif
