/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Exhaustive search: the path through the tree of choices (search.h), and who answers at its nodes.
 *
 * It is complete when nothing is left to answer and no execution was cut off. An execution ends
 * where it fails: what could follow does not count as missed.
 */
#include "faults/explore/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static bool search_reserve(struct search *search, uint32_t capacity)
{
    struct search_node *path = realloc(search->path, capacity * sizeof(*path));
    if (path == NULL) {
        return false;
    }
    search->path = path;
    uint16_t *clocks = realloc(search->clocks, (size_t)capacity * search->agents * sizeof(*clocks));
    if (clocks == NULL) {
        return false;
    }
    search->clocks = clocks;
    search->capacity = capacity;
    return true;
}

struct search_node *search_push(struct search *search)
{
    if (search->length == search->capacity) {
        sv_assert(search_reserve(search, search->capacity * 2), "no memory for %" PRIu32 " choices",
                  search->capacity * 2);
    }
    struct search_node *node = &search->path[search->length++];
    *node = (struct search_node){0};
    return node;
}

static void exhaustive_close(struct strategy *self)
{
    struct search *search = self->own;

    if (search != NULL) {
        free(search->path);
        free(search->clocks);
        free(search->ghosts);
        contention_close(&search->contention);
        visited_close(&search->visited);
        free(search);
    }
}

static int exhaustive_open(struct strategy *self)
{
    const struct strategy_parameters *parameters = &self->parameters;
    struct search *search = calloc(1, sizeof(*search));

    /*
     * Clocks count an agent's steps in 16 bits; a set of agents shares its word with one bit more.
     */
    if (parameters->steps_limit > UINT16_MAX || parameters->agents == EXPLORE_AGENTS_MAX) {
        free(search);
        return -EINVAL;
    }
    self->own = search;
    if (search == NULL) {
        return -ENOMEM;
    }
    search->agents = parameters->agents;
    if (contention_open(&search->contention, parameters->objects, parameters->agents) != 0 ||
        !search_reserve(search, 256)) {
        exhaustive_close(self);
        return -ENOMEM;
    }
    return 0;
}

static bool exhaustive_bounded(const struct strategy *self)
{
    return self->parameters.preemptions_max != EXPLORE_UNBOUNDED;
}

static bool exhaustive_begin(struct strategy *self, uint64_t number)
{
    struct search *search = self->own;

    (void)number;
    if (search->exhausted) {
        self->complete = !search->cut;
        return false;
    }
    search->at = 0;
    search->loud = 0;
    if (exhaustive_bounded(self)) {
        search_preempt_begin(search, self->parameters.seed);
    } else {
        search_orders_begin(search);
    }
    return true;
}

static uint32_t exhaustive_pick(struct strategy *self, struct explore_choice *choice)
{
    return exhaustive_bounded(self)
               ? search_preempt_pick(self->own, choice, self->parameters.preemptions_max)
               : search_orders_pick(self->own, choice);
}

static uint32_t exhaustive_draw(struct strategy *self, uint32_t agent, enum explore_draw what,
                                uint32_t count)
{
    struct search *search = self->own;
    const bool free_choice = what == EXPLORE_DRAW_VALUE;

    (void)agent;
    if (exhaustive_bounded(self) && (search->learned < STRATEGY_LEARNING || search->adrift)) {
        return 0;
    }
    if (count == 1) {
        return 0;
    }
    if (search->at == search->length) {
        struct search_node *added = search_push(search);
        added->is_draw = true;
        added->count = free_choice || search->loud < self->parameters.loud_max ? count : 1;
    }
    const struct search_node *node = &search->path[search->at++];
    sv_assert(node->is_draw && node->answer < count, "the same choices lead elsewhere, at a draw");
    search->loud += !free_choice && node->answer != 0;
    return node->answer;
}

/* The next answer at that node. Returns: false: all were given. */
static bool search_advance(struct search_node *node)
{
    if (node->is_draw) {
        return ++node->answer < node->count;
    }
    node->sleep |= UINT64_C(1) << node->picked;
    const uint64_t left = node->wanted & ~node->sleep;
    if (left == 0) {
        return false;
    }
    node->picked = (uint32_t)__builtin_ctzll(left);
    return true;
}

static void exhaustive_end(struct strategy *self, const struct explore_outcome *outcome)
{
    struct search *search = self->own;

    search->cut |= outcome->incomplete;
    if (!exhaustive_bounded(self)) {
        search_orders_end(search, outcome);
    } else if (!search_preempt_end(search, outcome)) {
        search->length = 0;
        search->fresh = 0;
        return;
    }
    while (search->length > 0 && !search_advance(&search->path[search->length - 1])) {
        search->length--;
    }
    search->fresh = search->length == 0 ? 0 : search->length - 1;
    search->exhausted =
        search->length == 0 && !(exhaustive_bounded(self) &&
                                 search_preempt_more(search, self->parameters.preemptions_max));
}

const struct strategy_kind strategy_exhaustive = {
    .name = "exhaustive",
    .searches = true,
    .open = exhaustive_open,
    .begin = exhaustive_begin,
    .pick = exhaustive_pick,
    .draw = exhaustive_draw,
    .end = exhaustive_end,
    .close = exhaustive_close,
};
