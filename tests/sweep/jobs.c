/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Jobs. A sweep sleeps as much as it works (whoever waits for a dead holder asks after 10 ms), so
 * there may be more of them than processors.
 */
#include "tests/sweep/jobs.h"

#include <errno.h>
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
    job->pid = fork();
    if (job->pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(3);
        }
        work(job);
    }
    if (job->pid < 0) {
        (void)snprintf(job->result.message, sizeof(job->result.message), "no process for it");
    }
}

/* Wait for one of them to end. */
static void finish_one(struct job *jobs, uint32_t count)
{
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    for (uint32_t i = 0; i < count; i++) {
        struct job *job = &jobs[i];
        if (job->pid == pid && status != 0) {
            job->result.complete = false;
            (void)snprintf(job->result.message, sizeof(job->result.message),
                           "the sweep itself ended with wait status %x", (unsigned)status);
        }
    }
}

void jobs_run(struct job *jobs, uint32_t count, uint32_t at_once)
{
    uint32_t running = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (running == at_once) {
            finish_one(jobs, i);
            running--;
        }
        start(&jobs[i]);
        running += jobs[i].pid > 0;
    }
    for (; running > 0; running--) {
        finish_one(jobs, count);
    }
}
