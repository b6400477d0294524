/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * PCT: priorities, and a few demotions at random places (Burckhardt, Kothari, Musuvathi,
 * Nagarakatte: A randomized scheduler with probabilistic guarantees of finding bugs, ASPLOS 2010).
 *
 * Agents get distinct random priorities above d; the best one that can go on does. At d - 1 steps,
 * drawn from the k steps of an execution, whoever is about to take that step falls to a priority
 * below d, one of its own for each of these places. A bug that needs d constraints on the order of
 * steps is then found by an execution with a probability of at least 1 / (n k^(d-1)).
 *
 * k counts steps at which there is a choice: at others a demotion changes nothing, so they need not
 * be hit. If it is not given it is learned, as the most that one of the first executions took, and
 * fixed from there on: else what a number and a seed mean would change. strategy.longest tells
 * whether the k of the guarantee was kept.
 *
 * Who yields falls below everybody, each time anew: it spins for somebody else's step.
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/explore/draws.h"

/* After `after` steps with a choice, who is about to go on gets that priority. */
struct demotion {
    uint64_t after;
    int32_t priority;
};

struct pct {
    struct draws draws;
    int32_t priorities[EXPLORE_AGENTS_MAX];
    int32_t lowest; /* of all given so far */
    struct demotion demotions[STRATEGY_DEPTH_MAX];
    uint32_t demotion_count;
    uint32_t demotions_done;
    uint64_t counted;     /* steps with a choice so far */
    uint64_t last_number; /* when it was asked last, */
    bool last_choice;     /* and was there one? */
    bool learning;
    uint64_t executions; /* so far */
};

static int pct_open(struct strategy *self)
{
    if (self->parameters.depth == 0 || self->parameters.depth > STRATEGY_DEPTH_MAX) {
        return -EINVAL;
    }
    struct pct *own = calloc(1, sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    own->learning = self->parameters.steps == 0;
    self->own = own;
    return 0;
}

/* A random permutation of d .. d + agents - 1. */
static void pct_draw_priorities(struct pct *own, uint32_t agents, uint32_t depth)
{
    for (uint32_t i = 0; i < agents; i++) {
        const uint32_t j = random_below(&own->draws.schedule, i + 1);
        own->priorities[i] = own->priorities[j];
        own->priorities[j] = (int32_t)(depth + i);
    }
    own->lowest = 1;
}

/* d - 1 places among the steps 1 .. k - 1, in their order; the first step needs none. */
static void pct_draw_demotions(struct pct *own, uint64_t steps, uint32_t depth)
{
    own->demotion_count = steps < 2 ? 0 : depth - 1;
    own->demotions_done = 0;
    for (uint32_t i = 0; i < own->demotion_count; i++) {
        const struct demotion demotion = {
            1 + random_scale(random_next(&own->draws.schedule), steps - 1), (int32_t)(i + 1)};
        uint32_t place = i;
        for (; place > 0 && own->demotions[place - 1].after > demotion.after; place--) {
            own->demotions[place] = own->demotions[place - 1];
        }
        own->demotions[place] = demotion;
    }
}

static bool pct_begin(struct strategy *self, uint64_t number)
{
    struct pct *own = self->own;
    struct strategy_parameters *parameters = &self->parameters;

    if (own->learning && own->executions == STRATEGY_LEARNING) {
        own->learning = false;
        parameters->steps = self->longest;
    }

    draws_begin(&own->draws, self->parameters.seed, number);
    pct_draw_priorities(own, parameters->agents, parameters->depth);
    pct_draw_demotions(own, own->learning ? self->longest : parameters->steps, parameters->depth);
    own->counted = 0;
    own->last_number = 0;
    own->last_choice = false;
    return true;
}

static uint32_t pct_best(const struct pct *own, uint64_t agents)
{
    uint32_t best = (uint32_t)__builtin_ctzll(agents);

    for (agents &= agents - 1; agents != 0; agents &= agents - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(agents);
        best = own->priorities[agent] > own->priorities[best] ? agent : best;
    }
    return best;
}

static void pct_count(struct pct *own, uint64_t number)
{
    own->counted += own->last_choice ? number - own->last_number : 0;
    own->last_number = number;
}

static uint32_t pct_pick(struct strategy *self, struct explore_choice *choice)
{
    struct pct *own = self->own;

    pct_count(own, choice->number);
    own->last_choice = (choice->enabled & (choice->enabled - 1)) != 0;
    if (choice->yielded) {
        own->priorities[choice->current] = --own->lowest;
    }
    uint32_t best = pct_best(own, choice->enabled);
    choice->run = self->parameters.steps_limit;
    if (!own->last_choice) {
        return best;
    }
    for (; own->demotions_done < own->demotion_count; own->demotions_done++) {
        const struct demotion *demotion = &own->demotions[own->demotions_done];
        if (demotion->after > own->counted) {
            choice->run = (uint32_t)(demotion->after - own->counted - 1);
            break;
        }
        own->priorities[best] = demotion->priority;
        best = pct_best(own, choice->enabled);
    }
    return best;
}

static uint32_t pct_draw(struct strategy *self, uint32_t agent, enum explore_draw what,
                         uint32_t count)
{
    struct pct *own = self->own;

    (void)agent;
    return draws_answer(&own->draws, what, count);
}

static void pct_end(struct strategy *self, const struct explore_outcome *outcome)
{
    struct pct *own = self->own;

    pct_count(own, outcome->steps);
    own->executions++;
    self->longest = own->counted > self->longest ? own->counted : self->longest;
}

static bool pct_recipe(const struct strategy *self, struct strategy_recipe *recipe)
{
    const struct pct *own = self->own;

    recipe->parameters.steps = own->learning ? self->longest : self->parameters.steps;
    return true;
}

static void pct_close(struct strategy *self)
{
    free(self->own);
}

const struct strategy_kind strategy_pct = {
    .name = "pct",
    .open = pct_open,
    .begin = pct_begin,
    .pick = pct_pick,
    .draw = pct_draw,
    .end = pct_end,
    .close = pct_close,
    .recipe = pct_recipe,
};
