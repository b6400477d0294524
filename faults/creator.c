/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Creators, one at a time, and the janitor who outlives their supervisor.
 *
 * A creator's hits of segment/create/ are backend 0's and go on from creator to creator, so a fault
 * at hit 1 ends the first of them only. Whoever comes after a death finds what was left, by the
 * same name, and must replace it; the supervisor has looked at it before, as an innocent would.
 *
 * The janitor waits for the end of a pipe whose only writer is the supervisor. It comes by a close,
 * at the end of creator_make, or by the supervisor's death, whatever it died of.
 */
#define _GNU_SOURCE
#include "faults/creator.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CREATORS_MAX 16

void creator_name(int pid, char name[CREATOR_NAME_MAX])
{
    snprintf(name, CREATOR_NAME_MAX, "sinval-run-%d", pid);
}

bool creator_wanted(const struct injector *injector)
{
    uint64_t faults = 0;

    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        faults |= point_matches("segment/create/*", point) ? injector->faults_at[point] : 0;
    }
    return faults != 0;
}

struct creation {
    const struct injector *injector;
    const struct sv_config *config;
    char name[CREATOR_NAME_MAX];
    int lifeline; /* the supervisor's end of the janitor's pipe */
    pid_t janitor;
};

/* ---- the janitor ------------------------------------------------------------------------- */

static _Noreturn void janitor_live(const char *name, int lifeline)
{
    sigset_t all;
    char byte;

    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    while (read(lifeline, &byte, 1) < 0 && errno == EINTR) {
    }
    (void)!sv_segment_unlink(name);
    _exit(0);
}

static int janitor_start(struct creation *creation)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -errno;
    }
    creation->janitor = fork();
    if (creation->janitor == 0) {
        close(ends[1]);
        janitor_live(creation->name, ends[0]);
    }
    const int error = creation->janitor < 0 ? -errno : 0;
    close(ends[0]);
    creation->lifeline = ends[1];
    if (error != 0) {
        close(ends[1]);
    }
    return error;
}

/* The name is gone when this returns. */
static void janitor_end(struct creation *creation)
{
    close(creation->lifeline);
    while (waitpid(creation->janitor, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* ---- creators ---------------------------------------------------------------------------- */

static _Noreturn void creator_live(const struct creation *creation, pid_t supervisor)
{
    struct injector_context context;
    struct sv_segment *segment;
    int error;

    close(creation->lifeline);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) {
        _exit(EOWNERDEAD);
    }
    injector_enter(&context, creation->injector, 0);
    error = sv_segment_create(creation->name, creation->config, &segment);
    if (error == 0) {
        sv_segment_detach(segment);
    }
    _exit(-error);
}

/* It has stopped: let its stall pass, and let it go on. */
static void resume(const struct creation *creation, pid_t pid)
{
    const uint64_t until_ns =
        sv_load_seq64(&creation->injector->shared->records[0].stalled_until_ns);
    const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                                   .tv_nsec = (long)(until_ns % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
    kill(pid, SIGCONT);
}

/* Run one creator to its end. Returns: 0 and its wait status; -errno. */
static int creator_run(const struct creation *creation, int *status)
{
    const pid_t supervisor = getpid();
    const pid_t pid = fork();

    if (pid == 0) {
        creator_live(creation, supervisor);
    }
    if (pid < 0) {
        return -errno;
    }
    for (;;) {
        const pid_t ended = waitpid(pid, status, WUNTRACED);

        if (ended == pid && !WIFSTOPPED(*status)) {
            return 0;
        }
        if (ended == pid) {
            resume(creation, pid);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

/* A creator has died, or been refused memory: nobody may take what is there for a segment. */
static int judge_remains(const struct creation *creation, struct finding *finding)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_attach(creation->name, &segment);

    if (result == -EAGAIN || result == -ENOENT) {
        return 0;
    }
    if (result == 0) {
        sv_segment_detach(segment);
    }
    (void)finding_set(
        finding, ORACLE_O6,
        "what a creator that did not finish left behind is not seen as unfinished: %s",
        result == 0 ? "it can be attached to" : sv_segment_error(result));
    return -EBADMSG;
}

static int create(const struct creation *creation, struct sv_segment **segment,
                  struct finding *finding)
{
    for (uint32_t i = 0; i < CREATORS_MAX; i++) {
        int status = 0;
        int error = creator_run(creation, &status);

        if (error != 0) {
            return error;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            error = sv_segment_attach(creation->name, segment);
            if (error != 0) {
                (void)finding_set(finding, ORACLE_O6,
                                  "a segment whose creator was through cannot be attached to: %s",
                                  sv_segment_error(error));
                return -EBADMSG;
            }
            return 0;
        }
        error = judge_remains(creation, finding);
        if (error != 0) {
            return error;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) != ENOSPC) {
            return -WEXITSTATUS(status);
        }
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
            (void)finding_set(finding, ORACLE_O6, "a creator was ended by signal %d",
                              WTERMSIG(status));
            return -EBADMSG;
        }
    }
    return -ENOSPC;
}

int creator_make(const struct injector *injector, const struct sv_config *config,
                 struct sv_segment **segment, struct finding *finding)
{
    struct creation creation = {.injector = injector, .config = config};
    int error;

    creator_name(getpid(), creation.name);
    error = janitor_start(&creation);
    if (error != 0) {
        return error;
    }
    error = create(&creation, segment, finding);
    janitor_end(&creation);
    return error;
}
