/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A random walk: now and then, anybody goes on (draws.h).
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/explore/draws.h"

struct random_walk {
    struct draws draws;
    uint32_t run_max;
};

static int random_open(struct strategy *self)
{
    self->own = calloc(1, sizeof(struct random_walk));
    return self->own == NULL ? -ENOMEM : 0;
}

static bool random_begin(struct strategy *self, uint64_t number)
{
    struct random_walk *own = self->own;

    draws_begin(&own->draws, self->parameters.seed, number);
    own->run_max = draws_run_max(&own->draws);
    return true;
}

static uint32_t random_pick(struct strategy *self, struct explore_choice *choice)
{
    struct random_walk *own = self->own;

    return draws_walk(&own->draws, choice, agents_willing(choice), own->run_max);
}

static uint32_t random_draw(struct strategy *self, uint32_t agent, enum explore_draw what,
                            uint32_t count)
{
    struct random_walk *own = self->own;

    (void)agent;
    return draws_answer(&own->draws, what, count);
}

static void random_end(struct strategy *self, const struct explore_outcome *outcome)
{
    (void)self;
    (void)outcome;
}

static void random_close(struct strategy *self)
{
    free(self->own);
}

const struct strategy_kind strategy_random = {
    .name = "random",
    .open = random_open,
    .begin = random_begin,
    .pick = random_pick,
    .draw = random_draw,
    .end = random_end,
    .close = random_close,
};
