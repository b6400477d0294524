/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Jobs. A sweep sleeps as much as it works (whoever waits for a dead holder asks after 10 ms), so
 * there may be more of them than processors.
 */
#include "tests/sweep/jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/sweep/stop.h"

struct job *jobs_create(uint32_t count)
{
    void *jobs = mmap(NULL, count * sizeof(struct job), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return jobs != MAP_FAILED ? jobs : NULL;
}

static _Noreturn void work(struct job *job)
{
    if (job->options.stops) {
        sweep_stops(job->operation, &job->options, &job->result);
    } else if (job->repair_at >= 0) {
        sweep_repairers(job->operation, &job->options, (uint32_t)job->repair_at, &job->result);
    } else {
        sweep_victims(job->operation, &job->options, &job->result);
    }
    _exit(0);
}

static void start(struct job *job)
{
    const pid_t parent = getpid();
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(3);
        }
        work(job);
    }
    job->pid = pid; /* not by the child: it is shared */
    if (pid < 0) {
        (void)snprintf(job->result.message, sizeof(job->result.message), "no process for it");
    }
}

static void tell(const struct job *job, uint32_t ended, uint32_t count)
{
    const struct sweep_result *result = &job->result;
    char repairer[48] = "";
    if (job->repair_at >= 0) {
        (void)snprintf(repairer, sizeof(repairer), ", repairers after %" PRId64, job->repair_at);
    }
    (void)fprintf(
        stderr,
        "%" PRIu32 "/%" PRIu32 " %s%s: %" PRIu64 " killed, %" PRIu64 " survived, %.0f s%s%s\n",
        ended, count, job->operation->name, repairer, result->kills + result->repairer_kills,
        result->survived + result->repairers_survived, result->seconds,
        result->complete ? "" : ": ", result->complete ? "" : result->message);
}

/* Wait for one of the first `started` to end. */
static void finish_one(struct job *jobs, uint32_t started, uint32_t ended, uint32_t count)
{
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    for (uint32_t i = 0; i < started; i++) {
        struct job *job = &jobs[i];
        if (job->pid != pid) {
            continue;
        }
        if (status != 0) {
            job->result.complete = false;
            (void)snprintf(job->result.message, sizeof(job->result.message),
                           "the sweep itself ended with wait status %x", (unsigned)status);
        }
        if (count > 1) {
            tell(job, ended, count);
        }
    }
}

void jobs_run(struct job *jobs, uint32_t count, uint32_t at_once)
{
    uint32_t running = 0;
    uint32_t ended = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (running == at_once) {
            finish_one(jobs, i, ++ended, count);
            running--;
        }
        start(&jobs[i]);
        running += jobs[i].pid > 0;
    }
    for (; running > 0; running--) {
        finish_one(jobs, count, ++ended, count);
    }
}
