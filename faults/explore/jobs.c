/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A job is forked off and has one block of memory in common with who waits for it: its report, and
 * its set of orders. At its end it writes the words of its failures there, and leaves. Sets of
 * orders are merged by fingerprint, so what two jobs have seen is counted once.
 *
 * A job dies with who waits for it, however that dies; nothing else is left of it, as its memory is
 * its own.
 *
 * When a job has failures enough, it says so in its limit: the number of the last of them. No
 * number beyond is of interest to others. Relaxed is enough, since what comes late costs some
 * executions more, and what is reported does not depend on it.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "faults/explore/jobs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "faults/explore/world.h"

#define LOOK_NS   5000000 /* how often who waits looks */
#define TELL_EACH 200     /* looks */

enum word_kind { SHRUNK, FOUND, WORD_KINDS };

struct part {
    struct job job;
    struct sv_atomic64 limit; /* of all jobs: no number beyond is of interest */
    char words[CAMPAIGN_FAILURES_MAX][WORD_KINDS][WORD_MAX]; /* empty: none */
    pid_t pid;
};

struct jobs {
    uint32_t count;
    size_t bytes; /* of all this, with the tables of orders */
    struct part parts[];
};

bool job_goes_on(const struct job *job, uint64_t number)
{
    const struct jobs *jobs = job->jobs;

    for (uint32_t i = 0; i < jobs->count; i++) {
        if (number > sv_load_relaxed64(&jobs->parts[i].limit)) {
            return false;
        }
    }
    return true;
}

/* ---- a job ----------------------------------------------------------------------------------- */

static void keep_words(struct part *part)
{
    for (uint32_t i = 0; i < part->job.report.failure_count; i++) {
        const char *words[WORD_KINDS] = {[SHRUNK] = part->job.report.failures[i].word,
                                         [FOUND] = part->job.report.failures[i].found};
        for (uint32_t kind = 0; kind < WORD_KINDS; kind++) {
            (void)snprintf(part->words[i][kind], WORD_MAX, "%s",
                           words[kind] != NULL ? words[kind] : "");
        }
    }
}

static _Noreturn void be_job(const struct campaign_options *options, struct part *part,
                             void (*work)(void *argument, struct job *job), void *argument)
{
    const struct campaign_report *report = &part->job.report;

    work(argument, &part->job);
    if (report->failure_count >= options->failures) {
        sv_store_relaxed64(&part->limit, report->failures[options->failures - 1].number);
    }
    keep_words(part);
    _exit(0);
}

/* ---- who waits for them ---------------------------------------------------------------------- */

static struct jobs *jobs_map(uint32_t count, uint32_t orders_capacity)
{
    const size_t table_bytes = orders_capacity * sizeof(uint64_t);
    const size_t bytes = sizeof(struct jobs) + count * (sizeof(struct part) + table_bytes);
    struct jobs *jobs =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (jobs == MAP_FAILED) {
        return NULL;
    }
    uint64_t *tables = (uint64_t *)(void *)&jobs->parts[count];
    jobs->count = count;
    jobs->bytes = bytes;
    for (uint32_t i = 0; i < count; i++) {
        sv_store_relaxed64(&jobs->parts[i].limit, UINT64_MAX);
        jobs->parts[i].job = (struct job){
            .jobs = jobs,
            .number = i,
            .orders = {.capacity = orders_capacity, .table = &tables[(size_t)i * orders_capacity]},
        };
    }
    return jobs;
}

static void tell(const struct jobs *jobs, const struct campaign_options *options,
                 const struct campaign_report *alone, double seconds)
{
    uint64_t schedules = alone->schedules;
    uint64_t recent_new = 0;

    for (uint32_t i = 0; i < jobs->count; i++) {
        schedules += jobs->parts[i].job.report.schedules;
        recent_new += jobs->parts[i].job.orders.recent_new;
    }
    (void)fprintf(stderr, "\r%s: %llu schedules, %.0f/s in %u jobs, %llu of the last %u new  ",
                  options->world->name, (unsigned long long)schedules, (double)schedules / seconds,
                  jobs->count, (unsigned long long)recent_new, ORDERS_RECENT * jobs->count);
    (void)fflush(stderr);
}

static void kill_all(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (jobs->parts[i].pid > 0) {
            (void)kill(jobs->parts[i].pid, SIGKILL);
        }
    }
}

/* Has it ended? Then *result says whether as it should. */
static bool has_ended(struct part *part, const char *world, int *result)
{
    int status = 0;

    if (part->pid == 0 || waitpid(part->pid, &status, WNOHANG) != part->pid) {
        return false;
    }
    part->pid = 0;
    if (status != 0 && *result == 0) {
        *result = -ECHILD;
        (void)fprintf(stderr, "sinval-explore: job %u of %s has ended with status %x\n",
                      part->job.number, world, (unsigned)status);
    }
    return true;
}

/* Until all have ended; once one has not ended as it should, none goes on. */
static int wait_for_all(struct jobs *jobs, const struct campaign_options *options,
                        const struct campaign_report *alone)
{
    int result = 0;
    uint32_t left = jobs->count;

    for (uint64_t looks = 1;; looks++) {
        for (uint32_t i = 0; i < jobs->count; i++) {
            left -= has_ended(&jobs->parts[i], options->world->name, &result);
        }
        if (left == 0) {
            return result;
        }
        if (result != 0) {
            kill_all(jobs);
        }
        if (options->progress && looks % TELL_EACH == 0) {
            tell(jobs, options, alone, alone->seconds + 1e-9 * LOOK_NS * (double)looks);
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
}

/* ---- all together ---------------------------------------------------------------------------- */

static char *text_of(const char *word)
{
    return word[0] != '\0' ? strdup(word) : NULL;
}

/* The failures of a job, by number, before those of higher numbers, as far as there is room. */
static void merge_failures(struct campaign_report *report, const struct part *part, uint32_t room)
{
    for (uint32_t i = 0; i < part->job.report.failure_count; i++) {
        struct campaign_failure failure = part->job.report.failures[i];
        uint32_t place = report->failure_count;
        for (; place > 0 && report->failures[place - 1].number > failure.number; place--) {
        }
        if (place == room) {
            return;
        }
        if (report->failure_count == room) {
            report->failure_count--;
            free(report->failures[report->failure_count].word);
            free(report->failures[report->failure_count].found);
        }
        memmove(&report->failures[place + 1], &report->failures[place],
                (report->failure_count - place) * sizeof(failure));
        failure.word = text_of(part->words[i][SHRUNK]);
        failure.found = text_of(part->words[i][FOUND]);
        report->failures[place] = failure;
        report->failure_count++;
    }
}

static void merge(struct campaign_report *report, const struct part *part, uint32_t room)
{
    const struct campaign_report *more = &part->job.report;

    report->schedules += more->schedules;
    report->accesses += more->accesses;
    report->longest = more->longest > report->longest ? more->longest : report->longest;
    report->switches += more->switches;
    report->deaths += more->deaths;
    report->timeouts += more->timeouts;
    report->rescued += more->rescued;
    report->replays += more->replays;
    report->cpu_seconds += more->cpu_seconds;
    merge_failures(report, part, room);
}

int jobs_run(const struct campaign_options *options, struct campaign_report *report,
             struct orders *orders, void (*work)(void *argument, struct job *job), void *argument)
{
    const pid_t parent = getpid();
    struct jobs *jobs = jobs_map(options->jobs, orders->capacity);
    int result = 0;

    if (jobs == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < jobs->count && result == 0; i++) {
        struct part *part = &jobs->parts[i];
        const pid_t pid = fork();
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) {
                _exit(1);
            }
            be_job(options, part, work, argument);
        }
        part->pid = pid;
        result = pid < 0 ? -errno : 0;
    }
    if (result != 0) {
        kill_all(jobs);
        jobs->count = 0;
        while (waitpid(-1, NULL, 0) > 0) {
        }
    } else {
        result = wait_for_all(jobs, options, report);
    }
    for (uint32_t i = 0; i < jobs->count && result == 0; i++) {
        merge(report, &jobs->parts[i], options->failures);
        orders_merge(orders, &jobs->parts[i].job.orders);
    }
    (void)munmap(jobs, jobs->bytes);
    return result;
}
