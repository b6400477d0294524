/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The portfolio: each execution by a strategy drawn for it, since none finds everything soonest.
 *
 *     35 %  SURW
 *     25 %  POS
 *     20 %  PCT, of depth 2, 3, 4 and 5
 *     10 %  a random walk
 *     10 %  a mutation: an earlier execution whose order was new is repeated up to one of its
 *           deviations from the default policy, and goes on as a random walk
 *
 * Which one follows from the seed and the number of the execution; what it does, from what it has
 * learned too, and mutations from which orders were new. So a mutation out of its campaign is
 * repeated from its deviations, and any other execution as one of its part.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "faults/explore/deviation.h"
#include "faults/explore/draws.h"

/* In this order: what the parts are. */
enum part {
    PART_SURW,
    PART_POS,
    PART_PCT_2,
    PART_PCT_3,
    PART_PCT_4,
    PART_PCT_5,
    PART_RANDOM,
    PART_REPLAY, /* the beginning of a mutation, which PART_RANDOM goes on with */
    PARTS
};

static const struct {
    const struct strategy_kind *kind;
    uint32_t percent;
    uint32_t depth;
} parts[PARTS] = {
    [PART_SURW] = {&strategy_surw, 35, 0},     [PART_POS] = {&strategy_pos, 25, 0},
    [PART_PCT_2] = {&strategy_pct, 5, 2},      [PART_PCT_3] = {&strategy_pct, 5, 3},
    [PART_PCT_4] = {&strategy_pct, 5, 4},      [PART_PCT_5] = {&strategy_pct, 5, 5},
    [PART_RANDOM] = {&strategy_random, 10, 0}, [PART_REPLAY] = {&strategy_replay, 10, 0},
};

#define KEPT_MAX       64 /* executions */
#define DEVIATIONS_MAX 256

/* An execution whose order was new. */
struct kept {
    struct deviation list[DEVIATIONS_MAX];
    uint32_t count;
};

struct portfolio {
    struct strategy parts[PARTS];
    uint32_t opened;
    enum part part;    /* that this execution began with */
    uint64_t handover; /* the first step of a mutation that is not repeated */
    struct random random;
    struct recorder recorder;
    struct kept now; /* what the recorder fills */
    struct kept kept[KEPT_MAX];
    uint32_t kept_count;
};

static void portfolio_close(struct strategy *self)
{
    struct portfolio *own = self->own;

    for (uint32_t i = 0; own != NULL && i < own->opened; i++) {
        strategy_close(&own->parts[i]);
    }
    free(own);
}

static int portfolio_open(struct strategy *self)
{
    struct portfolio *own = calloc(1, sizeof(*own));
    int result = own == NULL ? -ENOMEM : 0;

    self->own = own;
    for (uint32_t i = 0; result == 0 && i < PARTS; i++) {
        struct strategy_parameters parameters = self->parameters;
        parameters.seed = random_hash(self->parameters.seed, i);
        parameters.depth = parts[i].depth;
        parameters.steps = 0;
        parameters.deviations = own->now.list;
        parameters.deviation_count = 0;
        result = strategy_open(&own->parts[i], parts[i].kind, &parameters);
        own->opened += result == 0;
    }
    if (result != 0) {
        portfolio_close(self);
    }
    return result;
}

static enum part portfolio_draw_part(struct portfolio *own)
{
    uint32_t place = random_below(&own->random, 100);
    uint32_t part = 0;

    for (; place >= parts[part].percent; part++) {
        place -= parts[part].percent;
    }
    return part == PART_REPLAY && own->kept_count == 0 ? PART_POS : (enum part)part;
}

/* Repeat the beginning of an execution that was kept: up to one of its deviations. */
static void portfolio_mutate(struct portfolio *own)
{
    const uint32_t kept_now = own->kept_count < KEPT_MAX ? own->kept_count : KEPT_MAX;
    const struct kept *kept = &own->kept[random_below(&own->random, kept_now)];
    struct strategy *replay = &own->parts[PART_REPLAY];
    const uint32_t count = random_below(&own->random, kept->count + 1);

    replay->parameters.deviations = kept->list;
    replay->parameters.deviation_count = count;
    own->handover = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept->list[i].kind == DEVIATION_PICK) {
            own->handover = (uint64_t)kept->list[i].at + 1;
        }
    }
}

static bool portfolio_begin(struct strategy *self, uint64_t number)
{
    struct portfolio *own = self->own;

    own->random = random_branch(random_hash(self->parameters.seed, number), 1, RANDOM_SCHEDULE);
    own->part = portfolio_draw_part(own);
    recorder_begin(&own->recorder, own->now.list, DEVIATIONS_MAX);
    if (own->part == PART_REPLAY) {
        portfolio_mutate(own);
        (void)strategy_random.begin(&own->parts[PART_RANDOM], number);
        return strategy_replay.begin(&own->parts[PART_REPLAY], 0);
    }
    return parts[own->part].kind->begin(&own->parts[own->part], number);
}

static uint32_t portfolio_pick(struct strategy *self, struct explore_choice *choice)
{
    struct portfolio *own = self->own;
    const bool repeats = own->part == PART_REPLAY && choice->number < own->handover;
    const enum part part = own->part == PART_REPLAY && !repeats ? PART_RANDOM : own->part;
    const uint32_t picked = parts[part].kind->pick(&own->parts[part], choice);

    if (repeats && choice->run >= own->handover - choice->number) {
        choice->run = (uint32_t)(own->handover - choice->number) - 1;
    }
    recorder_pick(&own->recorder, choice, picked);
    return picked;
}

static uint32_t portfolio_draw(struct strategy *self, uint32_t agent, enum explore_draw what,
                               uint32_t count)
{
    struct portfolio *own = self->own;
    const uint32_t answer = parts[own->part].kind->draw(&own->parts[own->part], agent, what, count);

    recorder_draw(&own->recorder, answer);
    return answer;
}

static void portfolio_end(struct strategy *self, const struct explore_outcome *outcome)
{
    struct portfolio *own = self->own;
    struct strategy *part = &own->parts[own->part];

    part->kind->end(part, outcome);
    self->longest = part->longest > self->longest ? part->longest : self->longest;
    if (outcome->new_order && !own->recorder.overflowed) {
        struct kept *kept = &own->kept[own->kept_count++ % KEPT_MAX];
        kept->count = own->recorder.count;
        memcpy(kept->list, own->now.list, kept->count * sizeof(kept->list[0]));
    }
}

static bool portfolio_recipe(const struct strategy *self, struct strategy_recipe *recipe)
{
    const struct portfolio *own = self->own;

    return own->part != PART_REPLAY &&
           strategy_recipe(&own->parts[own->part], recipe->number, recipe);
}

const struct strategy_kind strategy_portfolio = {
    .name = "portfolio",
    .open = portfolio_open,
    .begin = portfolio_begin,
    .pick = portfolio_pick,
    .draw = portfolio_draw,
    .end = portfolio_end,
    .close = portfolio_close,
    .recipe = portfolio_recipe,
};
