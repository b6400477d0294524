/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Reducing: a failure in a world in which less happens: fewer faults, fewer backends, fewer
 * operations. (Fewer deviations of what is left: shrink.h.)
 *
 * With less to do the schedule that failed is another, so it is looked for anew: the failure's own
 * deviations are tried first, then some executions of the portfolio. What is left may be a failure
 * of the same oracle with another cause.
 */
#ifndef SINVAL_FAULTS_EXPLORE_REDUCE_H
#define SINVAL_FAULTS_EXPLORE_REDUCE_H

#include "faults/explore/word.h"

struct reduce {
    struct world *world;
    enum oracle oracle; /* that fails, and must go on to */
    uint64_t seed;
    uint32_t deaths;      /* at most, in an execution */
    bool signals;         /* may be lost, or come twice */
    uint32_t trials_each; /* executions in which a failure must be found again */
};

/* Reduce word, an execution that fails, by its deviations, in place. */
void reduce(const struct reduce *reduce, struct word *word);

#endif
