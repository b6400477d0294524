/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * One run: a plan and a seed, played by a carrier, judged.
 *
 * The calling process becomes the supervisor: it has one thread, has called injector_init, and has
 * SIGCHLD, SIGINT and SIGTERM blocked. Everything of the run is anonymous and goes with it.
 *
 * Design: faults/run.c (beginning and end), faults/supervise.c (in between).
 */
#ifndef SINVAL_FAULTS_RUN_H
#define SINVAL_FAULTS_RUN_H

#include "faults/carrier.h"

#define RUN_TIMEOUT_MS_DEFAULT 20000
#define RUN_DETAILS_MAX        65536

struct killer;

struct run_options {
    const struct plan *plan; /* with its overrides */
    uint64_t seed;
    const struct carrier_kind *carrier;
    uint32_t timeout_ms;        /* without progress: a hang */
    const char *directory;      /* for a database file; may be NULL if the plan wants none */
    struct killer *killer;      /* who strikes from outside (faults/killer.h); NULL: nobody */
    struct sv_segment *segment; /* to play over, of the plan's world; NULL: one of its own */
    uint32_t births_max;        /* 0: as many as a plan needs */
    uint32_t rest_us;           /* of each backend between two steps, on average; 0: none */
};

enum run_outcome {
    RUN_PASSED,
    RUN_VIOLATED,    /* finding says what */
    RUN_ENVIRONMENT, /* it could not be done: finding.message says why, its oracle is NONE */
    RUN_INTERRUPTED, /* by SIGINT or SIGTERM */
};

struct run_result {
    enum run_outcome outcome;
    struct finding finding;
    double seconds;
    uint32_t started; /* processes or threads, those included that died before they had a birth */
    uint32_t births;
    uint32_t deaths;
    uint64_t reads;    /* of rows that were judged */
    uint64_t pause_ns; /* the longest that somebody was seen waiting for a dead holder (K1) */
    uint64_t trace;    /* a hash of all that happened, if the carrier can tell; 0 */
    uint64_t injected[ACTION_COUNT];
    uint64_t events[SV_STAT_COUNT];
    uint32_t reached[SV_POINT_COUNT];
    uint32_t fired[SV_POINT_COUNT];
    uint32_t details_bytes;
    char details[RUN_DETAILS_MAX]; /* of a failure: who waited for what, the last events */
};

/* The configuration of a world's segment, not completed. */
struct sv_config run_config(const struct plan_world *plan);

/* Play it. *result is filled in whatever happens; nothing is left behind. */
void run_execute(const struct run_options *options, struct run_result *result);

/* ---- inside: between run.c, supervise.c and judge.c ------------------------------------------ */

/* What the supervisor knows of a seat. */
struct seat_watch {
    bool there;           /* a process is in it, as far as is known */
    uint32_t beats;       /* when last looked at */
    uint64_t progress_ns; /* when it last moved, or was last stalled */
};

struct supervisor {
    const struct run_options *options;
    struct run_world *world;
    struct carrier carrier;
    struct seat_watch *watch;
    struct run_result *result;
    uint64_t looked_ns;  /* the last tick */
    uint64_t settled_ns; /* when there was last nobody to be settled, or somebody still working */
    uint64_t abreast_ns; /* when there was last no laggard, or somebody still working */
    uint64_t dead_ns;    /* when the last death was seen */
    bool mourning;       /* somebody died, and is not known to be settled */
};

/*
 * Start everyone, see them through, until all have left or something is wrong; then end who is
 * left. Returns: true; false and result->finding, result->outcome.
 */
bool supervise(struct supervisor *supervisor);

/* Slots of the dead that nobody has settled yet. */
uint32_t unsettled_slots(struct sv_segment *segment);

/*
 * A living backend that is further behind than any cleanup leaves without a catchup, so that only
 * the relay can still reach it; SV_SLOT_NONE: there is none. While nobody inserts.
 */
uint32_t laggard_slot(struct sv_segment *segment);

/*
 * How long the longest of them has been waiting who wait for a lock of the dead, in ns; 0: nobody.
 */
uint64_t longest_wait_for_dead(struct sv_segment *segment, uint64_t dead_ns, uint64_t now_ns);

/* Who waits for what, who holds what, where everyone is, as text. */
struct text;
void describe_segment(struct sv_segment *segment, struct text *text);

/* The last events of each backend. */
void describe_traces(const struct run_world *world, struct text *text);

#endif
