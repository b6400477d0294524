/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Campaigns: one world, one strategy, many executions, all judged.
 *
 * A failure is repeated from its words at once, and one execution in a hundred as well: if its
 * events are not the same, that is a finding against the explorer itself, with the first that is
 * another.
 */
#ifndef SINVAL_FAULTS_EXPLORE_CAMPAIGN_H
#define SINVAL_FAULTS_EXPLORE_CAMPAIGN_H

#include "faults/explore/strategy.h"
#include "faults/explore/word.h"

#define CAMPAIGN_FAILURES_MAX 8

struct campaign_options {
    const struct world_kind *world;
    const struct strategy_kind *strategy;
    uint64_t seed;
    uint32_t depth;
    uint32_t preemptions_max;
    uint32_t deaths;
    bool signals; /* may be lost, or come twice */
    bool sweep;   /* each execution once more for each of its accesses: its backend dies there */
    uint64_t schedules; /* at most; UINT64_MAX: as many as there are */
    double seconds;     /* at most; 0: as long as it takes */
    uint32_t failures;  /* after so many it ends */
    uint32_t jobs;      /* processes that share the work; not for strategies that search */
    bool progress;      /* on standard error, each second */
};

struct campaign_failure {
    uint64_t number;    /* of the execution */
    double cpu_seconds; /* that it took to find it */
    struct finding finding;
    char *word;  /* shrunk; NULL: it cannot be said in a word. Freed by campaign_free, as: */
    char *found; /* as it was found, by its strategy and seed; NULL: it has none */
};

struct campaign_report {
    uint64_t schedules; /* judged; dropped ones are not counted */
    uint64_t dropped;
    uint64_t accesses;
    uint64_t longest; /* steps */
    uint64_t switches;
    uint64_t deaths;
    uint64_t timeouts;
    uint64_t rescued;
    uint64_t replays;
    uint64_t orders;
    uint64_t once; /* of them */
    double chance_of_new;
    uint64_t steps_learned; /* pct: k */
    double seconds;
    double cpu_seconds;
    bool complete;
    uint32_t failure_count;
    struct campaign_failure failures[CAMPAIGN_FAILURES_MAX];
};

/* Returns: 0; -ENOMEM, -EINVAL, -errno: nothing was explored. Owns: the caller frees. */
SV_NODISCARD int campaign_run(const struct campaign_options *options,
                              struct campaign_report *report);
void campaign_free(struct campaign_report *report);

#endif
