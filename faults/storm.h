/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A storm: processes that are killed and stopped from outside, at random, for as long as one likes,
 * over one segment, judged all the while.
 *
 * It is a sequence of rounds of some seconds. A round is a run (faults/run.h) without any fault of
 * the injector's, with a killer outside, one workload after the other; everything in it is new but
 * the segment. So what a death leaves behind in the segment would be there in all later rounds, and
 * after each of them nobody may be in a slot, hold a lock or have the baton.
 *
 * Design: faults/storm.c.
 */
#ifndef SINVAL_FAULTS_STORM_H
#define SINVAL_FAULTS_STORM_H

#include "faults/killer.h"

#define STORM_SECONDS_MAX  (7 * 24 * 3600)
#define STORM_STRIKES_MAX  1000 /* of a kind, in a second */
#define STORM_ROUND_S      10   /* a round's preset */
#define STORM_REST_US      40   /* between two steps of a backend, for each backend there is */
#define STORM_RUSH_EVERY   4    /* turns of all workloads: one without a rest */
#define STORM_BACKENDS_MAX 1000 /* with as many slots as a segment may have */

struct storm;

struct storm_options {
    struct plan_world world; /* its workload is set by each round */
    uint32_t workloads;      /* bit per enum plan_workload; the rounds take turns */
    uint32_t seconds;
    uint32_t round_s;
    uint32_t kills_per_s;
    uint32_t stops_per_s;
    uint64_t seed;
    uint32_t timeout_ms;
    void (*progress)(const struct storm *storm); /* every tick of a round; NULL: none */
    void *argument;
};

/* What came of it, also while it goes on. */
struct storm {
    const struct storm_options *options;
    struct sv_segment *segment;
    uint64_t start_ns;
    double seconds;
    uint32_t rounds;  /* that ended */
    uint64_t started; /* processes */
    uint64_t deaths;
    uint64_t reads;  /* of rows that were judged */
    uint64_t points; /* fault points reached: none where the library has none */
    uint64_t events[SV_STAT_COUNT];
    uint64_t strikes[WAIT_CAUSES];    /* kills and stops */
    uint64_t longest_ns[WAIT_CAUSES]; /* that somebody waited for one of these */
    uint32_t slots_used;              /* that were ever used */
    bool interrupted;
    enum run_outcome outcome;  /* of the last round */
    struct run_result *result; /* of the last round: the finding, the details */
};

/*
 * Play it in this process, which is as run_execute wants its caller, with SIGCHLD, SIGINT and
 * SIGTERM blocked by this. A first SIGINT or SIGTERM ends the round as if it were over.
 *
 * Returns: 0, and *storm is to be freed; -ENOMEM.
 */
SV_NODISCARD int storm_play(const struct storm_options *options, struct storm *storm);
void storm_free(struct storm *storm);

/* Marks for reset of all causes. */
uint64_t storm_resets(const struct storm *storm);

#endif
