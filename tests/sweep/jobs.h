/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sweeps as jobs: processes of their own, so many at a time.
 */
#ifndef SINVAL_TESTS_SWEEP_JOBS_H
#define SINVAL_TESTS_SWEEP_JOBS_H

#include "tests/sweep/sweep.h"

/* What a job is to do, and what came of it. In shared memory. */
struct job {
    const struct operation *operation;
    struct sweep_options options;
    int64_t repair_at; /* -1: the victims; else the repairers after that first death */
    uint32_t row;      /* of the table that its result goes to */
    pid_t pid;
    struct sweep_result result;
};

/* Room for so many jobs. NULL: no memory. */
struct job *jobs_create(uint32_t count);

/*
 * Do them, and tell of the end of each on standard error; at most `at_once` at a time. A job that
 * ends otherwise than it should is not complete.
 */
void jobs_run(struct job *jobs, uint32_t count, uint32_t at_once);

#endif
