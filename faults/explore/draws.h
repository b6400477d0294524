/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the strategies that sample have in common: their generators, and the environment's answers.
 *
 * The swarm rule: what can go wrong at all in an execution is drawn once, at its beginning, for
 * each kind with a chance of one half; then it goes wrong one time in eight. Executions so differ
 * more from each other than if everything went wrong now and then in each.
 */
#ifndef SINVAL_FAULTS_EXPLORE_DRAWS_H
#define SINVAL_FAULTS_EXPLORE_DRAWS_H

#include "faults/explore/strategy.h"
#include "faults/random.h"

struct draws {
    struct random schedule;
    struct random environment;
    uint64_t active; /* one random bit for each kind of draw */
};

/* The generators of an execution. */
static inline void draws_begin(struct draws *draws, uint64_t seed, uint64_t number)
{
    const uint64_t key = random_hash(seed, number);

    draws->schedule = random_branch(key, 0, RANDOM_SCHEDULE);
    draws->environment = random_branch(key, 0, RANDOM_ENVIRONMENT);
    draws->active = random_next(&draws->environment);
}

/* As strategy_kind.draw. */
static inline uint32_t draws_answer(struct draws *draws, enum explore_draw what, uint32_t count)
{
    if (what == EXPLORE_DRAW_VALUE) {
        return random_below(&draws->environment, count);
    }
    if (count == 1 || (draws->active >> (uint32_t)what & 1) == 0 ||
        random_below(&draws->environment, 8) != 0) {
        return 0;
    }
    return 1 + random_below(&draws->environment, count - 1);
}

/* The n-th agent of a set that has more than n. */
static inline uint32_t agents_nth(uint64_t agents, uint32_t n)
{
    for (; n > 0; n--) {
        agents &= agents - 1;
    }
    return (uint32_t)__builtin_ctzll(agents);
}

/* How many they are: few, so this is quicker than a call where there is no instruction for it. */
static inline uint32_t agents_count(uint64_t agents)
{
    uint32_t count = 0;

    for (; agents != 0; agents &= agents - 1) {
        count++;
    }
    return count;
}

/* Any one of a set, by 32 random bits. */
static inline uint32_t agents_any(uint64_t agents, uint32_t bits)
{
    const uint64_t count = agents_count(agents);

    return agents_nth(agents, (uint32_t)(count * bits >> 32));
}

/* Who may be chosen: all that are enabled, but for one that asked that somebody else go first. */
static inline uint64_t agents_willing(const struct explore_choice *choice)
{
    const bool yielded = choice->yielded && choice->current < EXPLORE_AGENTS_MAX;
    const uint64_t others =
        yielded ? choice->enabled & ~(UINT64_C(1) << choice->current) : choice->enabled;

    return others == 0 ? choice->enabled : others;
}

/*
 * A random walk. An execution draws once how long a run of steps of one agent can be, 1 to 32; then
 * each run is as likely to be of any length up to that, and of any of those agents. So some
 * executions change agents at nearly every step and others a few times only, which is where many
 * bugs need it, and a change is what costs time.
 */
#define DRAWS_RUN_LENGTHS 6 /* 1, 2, 4 ... 32 */

static inline uint32_t draws_run_max(struct draws *draws)
{
    return UINT32_C(1) << random_below(&draws->schedule, DRAWS_RUN_LENGTHS);
}

static inline uint32_t draws_walk(struct draws *draws, struct explore_choice *choice,
                                  uint64_t agents, uint32_t run_max)
{
    const uint64_t bits = random_next(&draws->schedule);

    choice->run = (uint32_t)bits & (run_max - 1);
    return agents_any(agents, (uint32_t)(bits >> 32));
}

#endif
