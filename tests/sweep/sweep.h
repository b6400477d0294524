/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * One operation's sweep: every death there is, and what came of it.
 *
 * Two levels. On the first the victim dies at every instruction, and the states that it leaves are
 * told apart; for one death of each state it is recorded which way its repair takes. On the second,
 * for one first death of each such way, whoever repairs dies at every instruction.
 */
#ifndef SINVAL_TESTS_SWEEP_SWEEP_H
#define SINVAL_TESTS_SWEEP_SWEEP_H

#include "tests/sweep/trace.h"
#include "tests/sweep/world.h"

#define WAYS_MAX 256

/* What to sweep of an operation. */
struct sweep_options {
    uint32_t every_up_to; /* every k up to this; beyond, boundaries */
    uint32_t stride;      /* n: only each n-th of the instructions; 0: about fifty of them */
    bool repairers;       /* the second level, too */
    bool stops;           /* stop and continue, instead of killing (stop.h) */
    int64_t at;           /* only this k; -1: all */
    int64_t then;         /* and then only this one of the repairer's; -1: all */
    bool inside;          /* with at: not before the system call there, but inside */
    enum canary canary;
};

/* A way that repair takes: the set of instructions, and the first death that led to it. */
struct way {
    uint64_t hash;
    uint32_t at;
};

/* What came of it; shared between the process that sweeps and the one that tells. */
struct sweep_result {
    bool complete;         /* false: the environment failed, message says how */
    uint32_t instructions; /* from beginning to end */
    uint32_t boundaries;   /* beyond every_up_to: instructions killed at */
    uint64_t kills;
    uint64_t survived;
    uint64_t elsewhere; /* of the kills, those whose path was not the recorded one */
    uint64_t asleep;    /* of the kills, those inside a system call that sleeps */
    uint32_t states;    /* that the victims left */
    uint32_t way_count;
    struct way ways[WAYS_MAX];
    uint64_t repairer_kills;
    uint64_t repairers_survived;
    uint64_t resets[4];             /* by enum sv_reset_cause */
    uint64_t recovery_max_ns;       /* the longest: for each death the least of its times */
    uint64_t repeated;              /* deaths that took longer than 100 ms, and were tried again */
    uint64_t waited[SV_LOCK_COUNT]; /* stops during which somebody waited for that lock */
    uint64_t restless; /* stops that others neither finished in nor waited for a lock */
    uint32_t watched;  /* stops in which it was looked at whether they sleep */
    double seconds;
    uint32_t failures;
    char failure[1024]; /* the first one: what, and the line that repeats it */
    char message[256];
};

/* The first level, or with options->at one death of it. Failures are told as they come. */
void sweep_victims(const struct operation *operation, const struct sweep_options *options,
                   struct sweep_result *result);

/* The second level, after a victim that dies at `at`; with options->then one death of it. */
void sweep_repairers(const struct operation *operation, const struct sweep_options *options,
                     uint32_t at, struct sweep_result *result);

/* ---- for sweeps of other kinds ------------------------------------------------------------ */

/* A sweep under way. */
struct sweep {
    const struct operation *operation;
    const struct sweep_options *options;
    struct sweep_result *result;
    struct world_shared *shared;
    struct world world;
    struct trace trace;    /* the victim's path */
    struct trace repair;   /* the repairer's */
    struct images *images; /* states that victims left */
    struct images *steps;  /* from one instruction to the next, that repairers took */
    uint64_t image;        /* what the last death left */
    bool inside;           /* the next death is inside the system call that it stands before */
    bool asleep;           /* and it was */
};

/* Begin one: the victim's path is recorded. End it. Returns: 0; -errno, and the message is set. */
SV_NODISCARD int sweep_open(struct sweep *sweep);
void sweep_close(struct sweep *sweep, int result);

/* Note why it cannot go on. Returns: result, or -EIO. */
int sweep_give_up(struct sweep *sweep, const char *what, int result);

/*
 * A world whose victim has taken k steps and is stopped there. The caller ends it, and closes the
 * world in any case. Returns: 0; -errno.
 */
SV_NODISCARD int sweep_stop_at(struct sweep *sweep, uint32_t k, bool repairer);

/* The survivors work; then all is judged and counted. Returns: 0 and *fine; -errno. */
SV_NODISCARD int sweep_judge(struct sweep *sweep, int64_t at, int64_t then, bool *fine);

/* Each how-manieth instruction? */
uint32_t sweep_stride(const struct sweep_options *options, uint32_t instructions);

/* Step a part until it is over, on whatever path it takes. Returns: 0; -errno. */
SV_NODISCARD int sweep_record_part(const struct sweep *sweep, enum part part, struct trace *trace);

/* Tell of a failure, with the line that repeats it, and count it. at, then: -1: none. */
void sweep_tell_failure(struct sweep *sweep, const struct finding *finding, int64_t at,
                        int64_t then);

/* Does k belong to those that are killed at? Of instructions beyond the limit only boundaries. */
bool sweep_takes(const struct trace *trace, const struct sweep_options *options, uint32_t k);

#endif
