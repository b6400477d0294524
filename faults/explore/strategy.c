/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The list of strategies, and what holds for opening any of them.
 */
#include "faults/explore/strategy.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct strategy_kind *const kinds[] = {
    &strategy_random,    &strategy_pct,        &strategy_pos,    &strategy_surw,
    &strategy_portfolio, &strategy_exhaustive, &strategy_replay,
};

const struct strategy_kind *strategy_find(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

int strategy_open(struct strategy *self, const struct strategy_kind *kind,
                  const struct strategy_parameters *parameters)
{
    if (parameters->agents == 0 || parameters->agents > EXPLORE_AGENTS_MAX ||
        parameters->steps_limit == 0) {
        return -EINVAL;
    }
    *self = (struct strategy){.kind = kind, .parameters = *parameters};
    return kind->open(self);
}

void strategy_close(struct strategy *self)
{
    self->kind->close(self);
    self->own = NULL;
}

bool strategy_recipe(const struct strategy *self, uint64_t number, struct strategy_recipe *recipe)
{
    if (self->kind->searches || self->kind == &strategy_replay) {
        return false;
    }
    *recipe = (struct strategy_recipe){
        .kind = self->kind, .number = number, .parameters = self->parameters};
    return self->kind->recipe == NULL || self->kind->recipe(self, recipe);
}
