/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A random walk: now and then, anybody goes on.
 *
 * An execution draws once how long a run of steps of one agent can be, 1 to 32; then each run is as
 * likely to be of any length up to that, and of any agent. So some executions change agents at
 * nearly every step and others a few times only, which is where many bugs need it, and a change
 * is what costs time.
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/explore/draws.h"

#define RUN_LENGTHS 6 /* 1, 2, 4 ... 32 */

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
    own->run_max = UINT32_C(1) << random_below(&own->draws.schedule, RUN_LENGTHS);
    return true;
}

static uint32_t random_pick(struct strategy *self, struct explore_choice *choice)
{
    struct random_walk *own = self->own;
    const uint64_t bits = random_next(&own->draws.schedule);

    choice->run = (uint32_t)bits & (own->run_max - 1);
    return agents_any(agents_willing(choice), (uint32_t)(bits >> 32));
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
