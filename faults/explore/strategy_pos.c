/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * POS: priorities of steps, not of agents (Yuan, Yang, Gu: Partial order aware concurrency
 * sampling, CAV 2018).
 *
 * Each step that is about to be taken has a random priority; the best goes first. Steps that
 * conflict with it and are about to be taken too get new ones. So steps that could change places
 * without anybody noticing do not use up randomness, and those that race are ordered by a coin of
 * their own. There are no parameters.
 *
 * Whoever goes on does so without a question until one of its steps has a worse priority than the
 * best of the others: that of each step is drawn when the one before it is picked, and further ones
 * ahead, up to the first that is worse. Before a step on an object that another is about to use it
 * is asked, and what was drawn ahead is used or, after a race, drawn anew.
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/explore/draws.h"

#define AHEAD_MAX 8

struct pos {
    struct draws draws;
    uint64_t priorities[EXPLORE_AGENTS_MAX]; /* of each agent's next step */
    uint64_t ahead[AHEAD_MAX]; /* of the next steps of who was picked last, the newest last */
    uint32_t ahead_count;      /* 0: none was */
    uint32_t picked;
    uint64_t picked_at;
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
    own->ahead_count = 0;
    for (uint32_t agent = 0; agent < self->parameters.agents; agent++) {
        own->priorities[agent] = random_next(&own->draws.schedule);
    }
    return true;
}

/* Who was picked last has come to a step that was drawn for. */
static void pos_catch_up(struct pos *own, const struct explore_choice *choice)
{
    const uint64_t since = choice->number - own->picked_at - 1;

    if (own->ahead_count > 0) {
        own->priorities[own->picked] =
            own->ahead[since < own->ahead_count ? since : own->ahead_count - 1];
    }
}

static uint32_t pos_best(const struct pos *own, uint64_t agents)
{
    uint32_t best = (uint32_t)__builtin_ctzll(agents);

    for (agents &= agents - 1; agents != 0; agents &= agents - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(agents);
        best = own->priorities[agent] > own->priorities[best] ? agent : best;
    }
    return best;
}

/* Ask before what may conflict with that. */
static void pos_stop(struct explore_choice *choice, const struct explore_step *next)
{
    const uint64_t places = explore_places(next);

    choice->stops[0] |= explore_kinds_conflict(next->kind, EXPLORE_READ) ? places : 0;
    choice->stops[1] |= places;
}

/* The step of picked is taken: new priorities for what it conflicts with, and for what follows. */
static void pos_draw_anew(struct pos *own, struct explore_choice *choice, uint32_t picked)
{
    const struct explore_step *taken = &choice->next[picked];
    uint64_t others = (choice->enabled | choice->waiting) & ~(UINT64_C(1) << picked);
    uint64_t best = 0;

    for (; others != 0; others &= others - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(others);
        const struct explore_step *next = &choice->next[agent];
        if (explore_steps_conflict(next, taken)) {
            own->priorities[agent] = random_next(&own->draws.schedule);
        }
        pos_stop(choice, next);
        if (own->priorities[agent] > best && (choice->enabled >> agent & 1) != 0) {
            best = own->priorities[agent];
        }
    }
    own->ahead_count = 0;
    do {
        own->ahead[own->ahead_count] = random_next(&own->draws.schedule);
    } while (own->ahead[own->ahead_count++] > best && own->ahead_count < AHEAD_MAX);
    own->picked = picked;
    own->picked_at = choice->number;
    choice->run = own->ahead_count - 1;
}

static uint32_t pos_pick(struct strategy *self, struct explore_choice *choice)
{
    struct pos *own = self->own;

    pos_catch_up(own, choice);
    const uint32_t best = pos_best(own, agents_willing(choice));
    pos_draw_anew(own, choice, best);
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
