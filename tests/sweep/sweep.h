/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * One operation's sweep: every death there is, and what came of it.
 */
#ifndef SINVAL_TESTS_SWEEP_SWEEP_H
#define SINVAL_TESTS_SWEEP_SWEEP_H

#include "tests/sweep/trace.h"
#include "tests/sweep/world.h"

/* What to sweep of an operation. */
struct sweep_options {
    uint32_t every_up_to; /* every k up to this; beyond, boundaries */
    uint32_t stride;      /* 1; n: only each n-th of the deaths that there would be */
    bool repairers;       /* the second level, too */
    int64_t at;           /* only this k; -1: all */
    int64_t then;         /* and then only this one of the repairer; -1: none */
    enum canary canary;
};

/* What came of it; shared between the process that sweeps and the one that tells. */
struct sweep_result {
    bool complete;         /* false: the environment failed, message says how */
    uint32_t instructions; /* from beginning to end */
    uint32_t boundaries;   /* beyond every_up_to: instructions killed at */
    uint64_t kills;
    uint64_t survived;
    uint64_t elsewhere; /* of the kills, those whose path was not the recorded one */
    uint32_t first_kills;
    uint64_t repairer_kills;
    uint64_t repairers_survived;
    uint64_t resets[4]; /* by enum sv_reset_cause */
    uint64_t recovery_max_ns;
    double seconds;
    char failure[1024]; /* the first one: what, and the line that repeats it */
    char message[256];
};

/* Sweep. The failures are told to standard error as they come. */
void sweep_operation(const struct operation *operation, const struct sweep_options *options,
                     struct sweep_result *result);

/* Does k belong to those that are killed at? Of instructions beyond the limit only boundaries. */
bool sweep_takes(const struct trace *trace, const struct sweep_options *options, uint32_t k);

#endif
