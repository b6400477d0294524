/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * POS: priorities of steps, not of agents (Yuan, Yang, Gu: Partial order aware concurrency sampling,
 * CAV 2018).
 *
 * Each step that is about to be taken has a random priority; the best goes first. Steps that
 * conflict with it and are about to be taken too get new ones. So steps that could change places
 * without anybody noticing do not use up randomness, and those that race are ordered by a coin of
 * their own. There are no parameters.
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/explore/draws.h"

struct pos {
    struct draws draws;
    uint64_t priorities[EXPLORE_AGENTS_MAX]; /* of each agent's next step */
};

static int pos_open(struct strategy *self)
{
    self->own = calloc(1, sizeof(struct pos));
    return self->own == NULL ? -ENOMEM : 0;
}

static bool pos_begin(struct strategy *self, uint64_t number)
{
    struct pos *own = self->own;

    draws_begin(&own->draws, self->parameters.seed, number);
    for (uint32_t agent = 0; agent < self->parameters.agents; agent++) {
        own->priorities[agent] = random_next(&own->draws.schedule);
    }
    return true;
}

/* The step of picked is taken: new priorities for what it conflicts with, and for what follows. */
static void pos_draw_anew(struct pos *own, const struct explore_choice *choice, uint32_t picked)
{
    const struct explore_step *taken = &choice->next[picked];
    uint64_t others = choice->enabled | choice->waiting;

    for (; others != 0; others &= others - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(others);
        if (agent == picked || explore_steps_conflict(&choice->next[agent], taken)) {
            own->priorities[agent] = random_next(&own->draws.schedule);
        }
    }
}

static uint32_t pos_pick(struct strategy *self, struct explore_choice *choice)
{
    struct pos *own = self->own;
    uint64_t willing = agents_willing(choice);
    uint32_t best = (uint32_t)__builtin_ctzll(willing);

    for (willing &= willing - 1; willing != 0; willing &= willing - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(willing);
        best = own->priorities[agent] > own->priorities[best] ? agent : best;
    }
    pos_draw_anew(own, choice, best);
    choice->run = 0;
    return best;
}

static uint32_t pos_draw(struct strategy *self, uint32_t agent, enum explore_draw what,
                         uint32_t count)
{
    struct pos *own = self->own;

    (void)agent;
    return draws_answer(&own->draws, what, count);
}

static void pos_end(struct strategy *self, const struct explore_outcome *outcome)
{
    (void)self;
    (void)outcome;
}

static void pos_close(struct strategy *self)
{
    free(self->own);
}

const struct strategy_kind strategy_pos = {
    .name = "pos",
    .open = pos_open,
    .begin = pos_begin,
    .pick = pos_pick,
    .draw = pos_draw,
    .end = pos_end,
    .close = pos_close,
};
