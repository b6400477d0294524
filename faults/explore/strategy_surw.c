/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * SURW: the order of some steps, drawn evenly (Zhao, Wolff, Mathur, Roychoudhury: Selectively
 * uniform concurrency testing, ASPLOS 2025).
 *
 * If each agent is chosen in proportion to the steps that it has left, all interleavings are as
 * likely. An execution does that for the steps on one object, drawn from those that agents contend
 * for: it draws whose such step comes next, in proportion to how many each is expected to have
 * left, and holds the others back before theirs until that one has come. Between them it is a
 * random walk (strategy_random.c), which stops before each step on that object.
 *
 * Which objects are contended, and how many steps each agent takes on each, is learned from the
 * first executions, which are random walks, and fixed from there on. Who is held back before a step
 * while the drawn one waits for a lock or a wake-up is let go: the draw is repeated among those who
 * can go on.
 */
#include <errno.h>
#include <stdlib.h>

#include "faults/explore/draws.h"

#define SURW_CHANGED (UINT64_C(1) << 63)

struct surw {
    struct draws draws;
    uint32_t learned; /* executions */
    uint32_t *counts; /* by object and agent: steps on it, in all executions of learning */
    uint64_t *users;  /* by object: agents, in the highest bit whether one has changed it */
    uint32_t *contended;
    uint32_t contended_count;
    uint32_t object; /* of this execution */
    bool selective;  /* there is one */
    uint32_t left[EXPLORE_AGENTS_MAX];
    uint32_t drawn; /* whose step on it comes next; EXPLORE_NOBODY: not drawn yet */
    uint32_t run_max;
};

static void surw_close(struct strategy *self)
{
    struct surw *own = self->own;

    if (own != NULL) {
        free(own->counts);
        free(own->users);
        free(own->contended);
        free(own);
    }
}

static int surw_open(struct strategy *self)
{
    const struct strategy_parameters *parameters = &self->parameters;
    struct surw *own = calloc(1, sizeof(*own));

    if (parameters->agents == EXPLORE_AGENTS_MAX) { /* its bit is taken */
        free(own);
        return -EINVAL;
    }
    self->own = own;
    if (own == NULL) {
        return -ENOMEM;
    }
    const size_t objects = (size_t)parameters->objects + 1;
    own->counts = calloc(objects * parameters->agents, sizeof(own->counts[0]));
    own->users = calloc(objects, sizeof(own->users[0]));
    own->contended = calloc(objects, sizeof(own->contended[0]));
    if (own->counts == NULL || own->users == NULL || own->contended == NULL) {
        surw_close(self);
        return -ENOMEM;
    }
    return 0;
}

static bool surw_has_objects(const struct explore_step *step)
{
    return step->kind != EXPLORE_NONE && step->kind != EXPLORE_ALL;
}

static void surw_learn_step(struct strategy *self, const struct explore_step *step)
{
    struct surw *own = self->own;
    const uint64_t user =
        UINT64_C(1) << step->agent | (step->kind == EXPLORE_READ ? 0 : SURW_CHANGED);

    for (uint32_t i = 0; surw_has_objects(step) && i < step->span; i++) {
        const size_t object = step->object + i;
        own->users[object] |= user;
        own->counts[object * self->parameters.agents + step->agent]++;
    }
}

static void surw_learn_contended(struct strategy *self)
{
    struct surw *own = self->own;

    for (uint32_t object = 0; object < self->parameters.objects; object++) {
        const uint64_t users = own->users[object];
        if ((users & SURW_CHANGED) != 0 && agents_count(users & ~SURW_CHANGED) > 1) {
            own->contended[own->contended_count++] = object;
        }
    }
}

static bool surw_learns(const struct surw *own)
{
    return own->learned < STRATEGY_LEARNING;
}

/* How many steps on the object of this execution an agent is expected to take. */
static uint32_t surw_expected(const struct strategy *self, uint32_t agent)
{
    const struct surw *own = self->own;
    const uint32_t *counts = &own->counts[(size_t)own->object * self->parameters.agents];

    return (counts[agent] + STRATEGY_LEARNING - 1) / STRATEGY_LEARNING;
}

static bool surw_begin(struct strategy *self, uint64_t number)
{
    const struct strategy_parameters *parameters = &self->parameters;
    const bool told = parameters->learned_count == parameters->agents + 1;
    struct surw *own = self->own;

    draws_begin(&own->draws, parameters->seed, number);
    own->selective = told || (!surw_learns(own) && own->contended_count > 0);
    own->drawn = EXPLORE_NOBODY;
    own->run_max = own->selective ? draws_run_max(&own->draws) : 1;
    if (!own->selective) {
        return true;
    }
    const uint64_t bits = random_next(&own->draws.schedule);
    own->object =
        told ? parameters->learned[0] : own->contended[random_scale(bits, own->contended_count)];
    for (uint32_t agent = 0; agent < parameters->agents; agent++) {
        own->left[agent] = told ? parameters->learned[1 + agent] : surw_expected(self, agent);
    }
    return true;
}

static bool surw_recipe(const struct strategy *self, struct strategy_recipe *recipe)
{
    const struct surw *own = self->own;
    struct strategy_parameters *parameters = &recipe->parameters;

    if (!own->selective || parameters->learned_count > 0) {
        return true; /* there is nothing to know, or it is there */
    }
    parameters->learned[0] = own->object;
    for (uint32_t agent = 0; agent < parameters->agents; agent++) {
        if (agent + 1 >= STRATEGY_LEARNED_MAX) {
            return false;
        }
        parameters->learned[1 + agent] = surw_expected(self, agent);
    }
    parameters->learned_count = parameters->agents + 1;
    return true;
}

/* One of those agents, in proportion to what it has left; if nobody has, anyone. */
static uint32_t surw_draw_agent(struct surw *own, uint64_t agents)
{
    uint32_t sum = 0;

    for (uint64_t rest = agents; rest != 0; rest &= rest - 1) {
        sum += own->left[__builtin_ctzll(rest)];
    }
    if (sum == 0) {
        return agents_any(agents, (uint32_t)random_next(&own->draws.schedule));
    }
    uint32_t place = random_below(&own->draws.schedule, sum);
    for (;; agents &= agents - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(agents);
        if (place < own->left[agent]) {
            return agent;
        }
        place -= own->left[agent];
    }
}

/* Those who are about to take a step on the object of this execution. */
static uint64_t surw_selected(const struct surw *own, const struct explore_choice *choice,
                              uint64_t agents)
{
    uint64_t selected = 0;

    for (; agents != 0; agents &= agents - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(agents);
        const struct explore_step *step = &choice->next[agent];
        const bool is = surw_has_objects(step) && own->object - step->object < step->span;
        selected |= (uint64_t)is << agent;
    }
    return selected;
}

static uint32_t surw_pick_selective(struct surw *own, struct explore_choice *choice)
{
    const uint64_t willing = agents_willing(choice);
    const uint64_t all = choice->enabled | choice->waiting;
    const uint64_t selected = surw_selected(own, choice, willing);

    if (own->drawn == EXPLORE_NOBODY || (all >> own->drawn & 1) == 0) {
        own->drawn = surw_draw_agent(own, all);
    }
    uint64_t free_to_go = willing & ~(selected & ~(UINT64_C(1) << own->drawn));
    if (free_to_go == 0) {
        own->drawn = surw_draw_agent(own, willing);
        free_to_go = UINT64_C(1) << own->drawn;
    }
    choice->stops[0] = choice->stops[1] = UINT64_C(1) << own->object % 64;
    const uint32_t picked = draws_walk(&own->draws, choice, free_to_go, own->run_max);
    if (picked == own->drawn && (selected >> picked & 1) != 0) {
        own->left[picked] -= own->left[picked] > 0;
        own->drawn = EXPLORE_NOBODY;
    }
    return picked;
}

static uint32_t surw_pick(struct strategy *self, struct explore_choice *choice)
{
    struct surw *own = self->own;

    if (own->selective) {
        return surw_pick_selective(own, choice);
    }
    const uint32_t picked = draws_walk(&own->draws, choice, agents_willing(choice), own->run_max);
    if (surw_learns(own)) {
        surw_learn_step(self, &choice->next[picked]);
    }
    return picked;
}

static uint32_t surw_draw(struct strategy *self, uint32_t agent, enum explore_draw what,
                          uint32_t count)
{
    struct surw *own = self->own;

    (void)agent;
    return draws_answer(&own->draws, what, count);
}

static void surw_end(struct strategy *self, const struct explore_outcome *outcome)
{
    struct surw *own = self->own;

    (void)outcome;
    if (surw_learns(own) && ++own->learned == STRATEGY_LEARNING) {
        surw_learn_contended(self);
    }
}

const struct strategy_kind strategy_surw = {
    .name = "surw",
    .open = surw_open,
    .begin = surw_begin,
    .pick = surw_pick,
    .draw = surw_draw,
    .end = surw_end,
    .close = surw_close,
    .recipe = surw_recipe,
};
