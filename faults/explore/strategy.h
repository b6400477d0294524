/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Strategies: who takes the next step, and what the environment answers.
 *
 * Whoever carries agents out uses a strategy for one campaign, in one thread:
 *
 *     strategy_open; { strategy_begin; { pick | draw } ...; end } until begin says false; close
 *
 * An execution is decided by the strategy's parameters (the learned ones too), its seed, the number
 * of the execution, and what it was asked; for strategies that learn or search, also by the
 * executions before it. Whatever it did can be said in another way: as a list of deviations from a
 * fixed default policy (deviation.h), which strategy_replay repeats.
 *
 * Nothing is allocated between open and close, but by strategies that search.
 */
#ifndef SINVAL_FAULTS_EXPLORE_STRATEGY_H
#define SINVAL_FAULTS_EXPLORE_STRATEGY_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include "faults/explore/step.h"
#include "sinval/api.h"

#define EXPLORE_STOP      UINT32_MAX /* an answer of pick */
#define EXPLORE_UNBOUNDED UINT32_MAX /* a value of preemptions_max */

/* The question who goes on. */
struct explore_choice {
    uint64_t enabled;  /* a set of agents, not empty, who can take their next step */
    uint64_t waiting;  /* those who have a next step and cannot take it now: locks, sleepers */
    uint64_t number;   /* steps taken so far in this execution */
    uint64_t unasked;  /* those of them that were all that could happen, and no choice */
    uint32_t current;  /* who took the last one; EXPLORE_NOBODY: nobody yet */
    bool yielded;      /* and it asked that somebody else go first, if there is anybody */
    uint32_t run;      /* out: see pick */
    uint64_t stops[2]; /* out, 0 before: see pick */
    const struct explore_step *next; /* by agent, of enabled and waiting ones */

    /* A hash of all that decides what can follow, but for who is current; NULL: it is not known. */
    uint64_t (*state)(const struct explore_choice *choice);
    const void *carrier; /* the carrier's own */

    /*
     * Locks that an agent holds, known from what it did itself: part of the state; NULL: not known.
     * And those that two have held at a time, in whatever execution so far: they guard nothing.
     */
    struct explore_guards (*guards)(const struct explore_choice *choice, uint32_t agent);
    uint64_t broken;

    const uint8_t *judged; /* by object: what is written there is judged by all of it; NULL: none */

    bool noted; /* since the last question something was, other than by steps, that judges go by */
};

/* What a draw is about. 0 is always the answer of a quiet world. */
enum explore_draw {
    EXPLORE_DRAW_VALUE,    /* a free choice: each answer is as likely */
    EXPLORE_DRAW_SPURIOUS, /* wake up, or fail a weak compare-and-swap, for no reason? */
    EXPLORE_DRAW_TIMEOUT,  /* does a sleep time out though others can go on? */
    EXPLORE_DRAW_SIGNAL,   /* what happens to a signal: at once, late, never, twice */
    EXPLORE_DRAWS
};

/* What came of an execution. */
struct explore_outcome {
    uint64_t steps;  /* taken */
    bool failed;     /* an oracle said no */
    bool new_order;  /* its order of conflicting steps was not seen before (order.h) */
    bool incomplete; /* cut off, other than by EXPLORE_STOP: too many steps */

    /* Who was left waiting for a lock when nobody could go on, and for which; 0: nobody. */
    uint64_t waiting;
    const struct explore_step *next; /* by agent */
};

struct deviation;

#define STRATEGY_LEARNED_MAX 9

struct strategy_parameters {
    uint32_t agents;      /* numbers 0 .. agents - 1; at most EXPLORE_AGENTS_MAX */
    uint32_t objects;     /* numbers 0 .. objects - 1 */
    uint32_t steps_limit; /* no execution takes more; the carrier cuts it off */
    uint64_t seed;

    uint32_t depth; /* pct: d, 1 .. STRATEGY_DEPTH_MAX */
    uint64_t steps; /* pct: k, steps with a choice; 0: learn it; once learned it is here */
    uint32_t preemptions_max; /* exhaustive; EXPLORE_UNBOUNDED: one schedule of each order */
    uint32_t loud_max;        /* exhaustive: draws other than VALUE that are not 0, an execution */

    const struct deviation *deviations; /* replay: the caller's, by step */
    uint32_t deviation_count;

    /*
     * What one execution goes by, if it is known: surw: its object, and each agent's steps on it.
     */
    uint32_t learned[STRATEGY_LEARNED_MAX];
    uint32_t learned_count;
};

#define STRATEGY_DEPTH_MAX 16
#define STRATEGY_LEARNING  64 /* executions from which what is to be learned is learned */

struct strategy;
struct strategy_recipe;

struct strategy_kind {
    const char *name;

    /*
     * Deaths and arrivals of signals are agents of their own, always ready, for a strategy that
     * searches; else whoever carries out draws them before each execution, and has backends only.
     */
    bool searches;

    /* Returns: 0; -ENOMEM; -EINVAL, a parameter is out of its range. */
    int (*open)(struct strategy *self);

    /* Begin an execution; number counts from 0. Returns: false: there are no more. */
    bool (*begin)(struct strategy *self, uint64_t number);

    /*
     * Returns: an agent of enabled, who takes its next step, and after it up to run more, without
     * a question, until the set of enabled changes or it yields (run 0: ask before each step), or
     * its next step reads one of the places (explore_places) stops[0], or is another on stops[1].
     * EXPLORE_STOP: drop this execution, it shows nothing new; it is not judged.
     */
    uint32_t (*pick)(struct strategy *self, struct explore_choice *choice);

    /* Asked during or before a step of agent. Returns: 0 .. count - 1; count >= 1. */
    uint32_t (*draw)(struct strategy *self, uint32_t agent, enum explore_draw what, uint32_t count);

    /* The execution has ended, or was dropped. */
    void (*end)(struct strategy *self, const struct explore_outcome *outcome);
    void (*close)(struct strategy *self);

    /* See strategy_recipe. NULL: the parameters and the number are all of it. */
    bool (*recipe)(const struct strategy *self, struct strategy_recipe *recipe);
};

/* An execution without those before it. */
struct strategy_recipe {
    const struct strategy_kind *kind;
    uint64_t number;
    struct strategy_parameters parameters; /* what was learned is in them */
};

struct strategy {
    const struct strategy_kind *kind;
    struct strategy_parameters parameters;
    bool complete; /* a search has seen all there is, within its bound; only after begin said no */
    uint64_t
        longest; /* steps with a choice in the longest execution so far, where they are counted */
    void *own;   /* the kind's */
};

extern const struct strategy_kind strategy_random; /* a random walk */
extern const struct strategy_kind strategy_pct;    /* priorities with d - 1 random demotions */
extern const struct strategy_kind strategy_pos;    /* priorities of steps, drawn anew in races */
extern const struct strategy_kind strategy_surw;   /* evenly, the steps on one object */
extern const struct strategy_kind
    strategy_portfolio; /* all that sample, and mutations: the default */
extern const struct strategy_kind strategy_exhaustive; /* all there is */
extern const struct strategy_kind strategy_replay;     /* what the deviations say, once */

/* The strategy of that name, as --strategy and tokens spell it; NULL: there is none. */
const struct strategy_kind *strategy_find(const char *name);

/* Open, begin ... as above. Returns: 0; -ENOMEM; -EINVAL. */
SV_NODISCARD int strategy_open(struct strategy *self, const struct strategy_kind *kind,
                               const struct strategy_parameters *parameters);
void strategy_close(struct strategy *self);

/*
 * How the execution of that number, which has begun and not ended, is repeated by a strategy opened
 * for it alone. Returns: false: only its deviations say it, as of a search, or a mutation.
 */
bool strategy_recipe(const struct strategy *self, uint64_t number, struct strategy_recipe *recipe);

#endif
