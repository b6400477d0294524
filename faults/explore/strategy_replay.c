/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Replay: one execution, as a list of deviations says (deviation.h).
 *
 * The list holds picks and draws, each in the order of their numbers, so two places in it are kept.
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/explore/deviation.h"

struct replay {
    uint32_t places[2]; /* by kind: the first deviation of that kind that is still to come */
    uint32_t draws;     /* answered so far */
};

/* The next deviation of that kind that is not before `at`; NULL: there is none. */
static const struct deviation *replay_next(struct strategy *self, enum deviation_kind kind,
                                           uint64_t at)
{
    struct replay *own = self->own;
    const struct strategy_parameters *parameters = &self->parameters;
    uint32_t place = own->places[kind];

    while (place < parameters->deviation_count &&
           (parameters->deviations[place].kind != kind || parameters->deviations[place].at < at)) {
        place++;
    }
    own->places[kind] = place;
    return place < parameters->deviation_count ? &parameters->deviations[place] : NULL;
}

static int replay_open(struct strategy *self)
{
    self->own = calloc(1, sizeof(struct replay));
    return self->own == NULL ? -ENOMEM : 0;
}

static bool replay_begin(struct strategy *self, uint64_t number)
{
    struct replay *own = self->own;

    *own = (struct replay){0};
    return number == 0;
}

static uint32_t replay_pick(struct strategy *self, struct explore_choice *choice)
{
    const struct deviation *deviation = replay_next(self, DEVIATION_PICK, choice->number);
    uint32_t picked = deviation_default(choice);

    if (deviation != NULL && deviation->at == choice->number) {
        const uint32_t target = deviation->target;
        if (target < self->parameters.agents && (choice->enabled >> target & 1) != 0) {
            picked = target;
        }
        deviation = replay_next(self, DEVIATION_PICK, choice->number + 1);
    }
    choice->run = deviation == NULL ? self->parameters.steps_limit
                                    : deviation->at - (uint32_t)choice->number - 1;
    return picked;
}

static uint32_t replay_draw(struct strategy *self, uint32_t agent, enum explore_draw what,
                            uint32_t count)
{
    struct replay *own = self->own;
    const uint32_t number = own->draws++;
    const struct deviation *deviation = replay_next(self, DEVIATION_DRAW, number);

    (void)agent;
    (void)what;
    return deviation != NULL && deviation->at == number && deviation->target < count
               ? deviation->target
               : 0;
}

static void replay_end(struct strategy *self, const struct explore_outcome *outcome)
{
    (void)self;
    (void)outcome;
}

static void replay_close(struct strategy *self)
{
    free(self->own);
}

const struct strategy_kind strategy_replay = {
    .name = "replay",
    .open = replay_open,
    .begin = replay_begin,
    .pick = replay_pick,
    .draw = replay_draw,
    .end = replay_end,
    .close = replay_close,
};
