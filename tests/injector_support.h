/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A run of the injector for tests: from the text of its faults, in memory that children share.
 */
#ifndef SINVAL_TESTS_INJECTOR_SUPPORT_H
#define SINVAL_TESTS_INJECTOR_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "faults/injector.h"

#define BACKENDS 8

/* A run in memory that is shared with forked children. */
struct run {
    struct plan plan;
    struct injector injector;
    struct injector_context context;
};

static inline void run_start(struct run *run, uint64_t seed, const char *faults)
{
    char text[4096];
    char message[PLAN_MESSAGE_MAX];

    snprintf(text, sizeof(text), "name: test\ndanger: x\nfaults:\n%s", faults);
    cr_assert_eq(plan_load_text("test", text, strlen(text), &run->plan, message, sizeof(message)),
                 0, "%s", message);
    struct injector_shared *shared =
        mmap(NULL, injector_shared_bytes(BACKENDS), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    cr_assert_eq(injector_init(), 0);
    injector_start(&run->injector, &run->plan, seed, shared);
}

static inline uint64_t fired(const struct run *run, enum action action)
{
    uint64_t sum = 0;

    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        sum += injector_fired(&run->injector, point, action);
    }
    return sum;
}

/* Fork a child that is that backend and runs body. It ends with status 0 after it. */
static inline pid_t in_child(struct run *run, uint32_t backend, void (*body)(struct run *run))
{
    const pid_t parent = getpid();
    const pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
        injector_enter(&run->context, &run->injector, backend);
        body(run);
        _exit(0);
    }
    cr_assert_gt(pid, 0);
    return pid;
}

static inline int status_of(pid_t pid)
{
    int status = -1;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static inline void hit_copy_ten_times(struct run *run)
{
    (void)run;
    for (int i = 0; i < 10; i++) {
        SV_POINT(queue_copy_middle);
    }
}

/* What act_note was last asked to do. */
static enum action acted;
static uint32_t acted_us;

static inline void act_note(struct injector_context *context, enum action action,
                            uint32_t argument_us)
{
    (void)context;
    errno = EBADF;
    acted = action;
    acted_us = argument_us;
}

#endif
