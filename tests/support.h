/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What every suite needs: small worlds, backends in one thread, forked children.
 *
 * Children leave with _exit and report through their status: a forked child that returns from a
 * test or fails an assertion of Criterion hangs the run.
 */
#ifndef SINVAL_TESTS_SUPPORT_H
#define SINVAL_TESTS_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "sinval/sinval.h"

/* An anonymous segment; the configuration's zeros are defaults. */
static inline struct sv_segment *world(struct sv_config config)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_create(NULL, &config, &segment);
    cr_assert_eq(result, 0, "sv_segment_create: %s", sv_segment_error(result));
    return segment;
}

/* A backend of this thread that takes no signal. */
static inline struct sv_backend *join(struct sv_segment *segment)
{
    struct sv_backend *self = NULL;
    const int result = sv_backend_attach(segment, NULL, &self);
    cr_assert_eq(result, 0, "sv_backend_attach gives %d", result);
    return self;
}

/* Message number n of a test. */
static inline struct sv_message numbered(uint64_t n)
{
    return (struct sv_message){.kind = SV_MESSAGE_APPLICATION, .payload = n};
}

/* Insert count messages one call, numbered from first on. */
static inline void insert_numbered(struct sv_backend *self, uint64_t first, uint32_t count)
{
    struct sv_message messages[count];
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = numbered(first + i);
    }
    sv_queue_insert(self, messages, count);
}

/* Fork; the child runs and exits with what run returns, and dies with the test. */
static inline pid_t fork_child(int (*run)(struct sv_segment *segment, void *argument),
                               struct sv_segment *segment, void *argument)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();
    cr_assert_geq(pid, 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(125);
        }
        _exit(run(segment, argument));
    }
    return pid;
}

/* Its wait status. */
static inline int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) != pid) {
        cr_assert_eq(errno, EINTR, "waitpid: %s", strerror(errno));
    }
    return status;
}

/* Kill it and wait for its end. */
static inline void kill_and_reap(pid_t pid)
{
    cr_assert_eq(kill(pid, SIGKILL), 0, "kill: %s", strerror(errno));
    (void)reap(pid);
}

/* The sum of one counter over all slots. */
static inline uint64_t counted(const struct sv_segment *segment, enum sv_stat stat)
{
    uint64_t counters[SV_STAT_COUNT];
    sv_stat_total(segment, counters);
    return counters[stat];
}

#endif
