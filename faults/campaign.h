/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Campaigns: many runs, several at a time, and their totals.
 *
 * The calling process only waits. Each job is a forked process that plays one run after the other
 * and sends what came of it through a pipe; its backends are its children. A job dies with the
 * caller, the backends with their job. Which run a job takes next is drawn from a shared counter:
 * every seed for all plans, then the next seed.
 *
 * Design: faults/campaign.c; a job: faults/job.c; reports: faults/report.h.
 */
#ifndef SINVAL_FAULTS_CAMPAIGN_H
#define SINVAL_FAULTS_CAMPAIGN_H

#include "faults/run.h"

#define CAMPAIGN_JOBS_MAX  64
#define CAMPAIGN_SEEDS_MAX UINT64_C(1000000000)

struct campaign;

struct campaign_options {
    const struct plan *plans; /* as loaded, without overrides */
    uint32_t plan_count;
    uint64_t seed_first;
    uint64_t seed_last;    /* at most CAMPAIGN_SEEDS_MAX of them */
    uint32_t repeats;      /* of each; 0 is 1 */
    uint32_t backends;     /* 0: the plan's */
    uint32_t transactions; /* 0: the plan's */
    const char *carrier;   /* as carrier_find knows it */
    uint32_t jobs;         /* 1 to CAMPAIGN_JOBS_MAX */
    uint32_t timeout_ms;   /* see struct run_options */
    bool keep_going;       /* after a failure */
    /* Called ten times a second and after each run; may be NULL. */
    void (*progress)(const struct campaign *campaign, void *argument);
    void *argument;
};

/* A run that failed. */
struct failure {
    uint32_t plan;
    uint64_t seed;
    struct finding finding;
    char *token;
    char *details;
};

/* What became of the runs of a plan. */
struct plan_total {
    uint64_t runs;
    uint64_t failed;
    double seconds;
};

struct campaign {
    const struct campaign_options *options;
    uint64_t planned;
    uint64_t runs;
    uint64_t failed;
    double seconds; /* so far */
    uint64_t births;
    uint64_t deaths;
    uint64_t pause_ns; /* the longest of all runs */
    uint64_t trace; /* a hash of all that happened in them, in whatever order; 0: it is not known */
    uint64_t injected[ACTION_COUNT];
    uint64_t events[SV_STAT_COUNT];
    uint64_t reached[SV_POINT_COUNT];
    uint64_t fired[SV_POINT_COUNT];
    struct plan_total *plans;
    struct failure *failures;
    uint32_t failure_count;     /* kept: at most CAMPAIGN_FAILURES_MAX */
    int interrupted;            /* the signal, if one ended it early */
    struct finding environment; /* why it had to end, if its message is not empty */
};

#define CAMPAIGN_FAILURES_MAX 100

/*
 * Play them all, or to the first failure. Blocks SIGINT and SIGTERM meanwhile: one that arrives
 * ends the campaign early and in order, and is told in interrupted.
 *
 * Returns:  0        *campaign is filled in; free it.
 *           -ENOMEM  nothing was started.
 */
SV_NODISCARD int campaign_run(const struct campaign_options *options, struct campaign *campaign);
void campaign_free(struct campaign *campaign);

/* Resets, whatever their cause; repairs of locks and slots. */
uint64_t campaign_resets(const struct campaign *campaign);
uint64_t campaign_repairs(const struct campaign *campaign);

/* Points that were reached, that fired, at least once. */
uint32_t campaign_points(const uint64_t counts[SV_POINT_COUNT]);

/* ---- between campaign.c and job.c ------------------------------------------------------------ */

/* The shared memory of a campaign. */
struct job_board {
    struct sv_atomic64 next; /* the next run to be taken */
    struct sv_atomic32 stop; /* take none any more */

    struct {
        struct sv_atomic64 run;        /* taken, + 1 */
        struct sv_atomic64 started_ns; /* when */
    } jobs[CAMPAIGN_JOBS_MAX];
};

/* What a job sends for each run: this, then the details. */
struct job_note {
    uint64_t run;
    struct run_result result; /* only up to its details are sent */
};

#define JOB_NOTE_BYTES (offsetof(struct job_note, result) + offsetof(struct run_result, details))

/* Which plan and seed a run is. */
static inline uint32_t job_plan(const struct campaign_options *options, uint64_t run)
{
    return (uint32_t)(run % options->plan_count);
}

static inline uint64_t job_seed(const struct campaign_options *options, uint64_t run)
{
    const uint64_t seeds = options->seed_last - options->seed_first + 1;

    return options->seed_first + run / options->plan_count % seeds;
}

/* How many runs there are. */
static inline uint64_t job_runs(const struct campaign_options *options)
{
    const uint64_t seeds = options->seed_last - options->seed_first + 1;

    return seeds * options->plan_count * (options->repeats != 0 ? options->repeats : 1);
}

/* Add what came of a run, or a run that ended without saying. */
void campaign_add(struct campaign *campaign, const struct job_note *note);
void campaign_add_failure(struct campaign *campaign, uint64_t run, const struct finding *finding,
                          const char *details, size_t details_bytes);

/* The life of a job, in a process that was forked for it: takes runs until there are none. */
_Noreturn void job_live(const struct campaign_options *options, struct job_board *board,
                        uint32_t job, const char *directory, int fd, pid_t parent);

#endif
