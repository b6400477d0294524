/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Jobs: the executions of a campaign divided among processes.
 *
 * Before that the campaign makes its first executions alone, JOBS_ALONE of them, in which
 * strategies learn; each job then has all of that, and takes every n-th number. What an execution
 * is depends on the seed, its number, and what was learned (but for mutations, which depend on what
 * their job has seen); so it is the same however many jobs there are, and so are the numbers in the
 * report.
 *
 * The failures reported are those of the lowest numbers: when one has failures enough, the others
 * go on up to there.
 *
 * Design: faults/explore/jobs.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_JOBS_H
#define SINVAL_FAULTS_EXPLORE_JOBS_H

#include "faults/explore/campaign.h"
#include "faults/explore/order.h"

#define JOBS_ALONE 2048
#define JOBS_MAX   64

struct jobs;

/* What a job works with, where the others and who waits for them see it. */
struct job {
    struct jobs *jobs;
    uint32_t number; /* of this job */
    struct campaign_report report;
    struct orders orders;
};

/* Is a failure of that execution of interest still? */
bool job_goes_on(const struct job *job, uint64_t number);

/*
 * Let `count` processes work, until all have ended; *report and *orders, of the executions so far,
 * then are of all. options->progress is seen to. Returns: 0; -ENOMEM; -errno; -ECHILD: one of them
 * has ended in some other way than it should.
 */
SV_NODISCARD int jobs_run(const struct campaign_options *options, struct campaign_report *report,
                          struct orders *orders, void (*work)(void *argument, struct job *job),
                          void *argument);

#endif
