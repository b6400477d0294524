/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Search: all schedules with few preemptions (Musuvathi, Qadeer: Iterative context bounding for
 * systematic testing of multithreaded programs, PLDI 2007).
 *
 * A preemption is a switch away from a backend that could go on and did not yield. Most bugs need
 * one or two; and with a bound on them the number of schedules is a polynomial in the length of an
 * execution, so that worlds too large for one schedule of each order are still gone through.
 *
 * The bound is not the same for all schedules of an order, so there are no sleep sets here. What
 * is left out:
 *
 *   Preemptions before a step on what is not contended: touched, or waited for, by one agent only,
 *   or changed by none, and nothing of the environment is about to conflict with it. Such a step can
 *   be taken at once, before the switch, and everything is as it was. What is contended is learned:
 *   in some random executions first, then as the search goes on; if it
 *   turns out that there is more, the search begins anew. So in a search that comes to its end,
 *   nothing that was taken for uncontended was contended in any of its executions, and what is left
 *   out is of an order with one of them.
 *
 *   A yielder's next step, as long as another can go on. This is part of the bound: the schedules
 *   in which it spins on are not counted among those with few preemptions.
 *
 *   What the environment does, where all of it could be done later: the steps that may come do not
 *   conflict with it. But if a victim is the one who runs it is tried in any case: after a death,
 *   the switch to another backend costs nothing.
 */
#include "base/assert.h"
#include "faults/explore/search.h"

#define USER_CHANGED (UINT64_C(1) << 63)

static bool object_contended(uint64_t users)
{
    const uint64_t agents = users & ~USER_CHANGED;

    return (users & USER_CHANGED) != 0 && (agents & (agents - 1)) != 0;
}

static bool step_has_objects(const struct explore_step *step)
{
    return step->kind != EXPLORE_NONE && step->kind != EXPLORE_ALL;
}

/* May that step of a backend not be taken at once, whatever others are going to do? */
static bool step_contended(const struct search *search, const struct explore_choice *choice,
                           const struct explore_step *step)
{
    bool contended = false;

    for (uint64_t left = choice->enabled; left != 0 && !contended; left &= left - 1) {
        const struct explore_step *other = &choice->next[__builtin_ctzll(left)];
        contended = !search_is_backend(other) && explore_steps_conflict(other, step);
    }
    for (uint32_t i = 0; step_has_objects(step) && i < step->span; i++) {
        contended |= object_contended(search->users[step->object + i]);
    }
    return contended;
}

/* A step is taken, or waited for. */
static void search_note_user(struct search *search, const struct explore_step *step)
{
    const uint64_t user =
        UINT64_C(1) << step->agent | (step->kind == EXPLORE_READ ? 0 : USER_CHANGED);

    for (uint32_t i = 0; step_has_objects(step) && i < step->span; i++) {
        uint64_t *users = &search->users[step->object + i];
        search->restarts |= !object_contended(*users) && object_contended(*users | user);
        *users |= user;
    }
}

static void search_note_waiting(struct search *search, uint64_t waiting,
                                const struct explore_step *next)
{
    for (; waiting != 0; waiting &= waiting - 1) {
        search_note_user(search, &next[__builtin_ctzll(waiting)]);
    }
}

void search_preempt_begin(struct search *search, uint64_t seed)
{
    search->preempted = 0;
    search->running = EXPLORE_NOBODY;
    if (search->learned < STRATEGY_LEARNING) {
        draws_begin(&search->draws, seed, search->learned);
    }
}

static uint64_t backends_of(const struct explore_choice *choice)
{
    uint64_t backends = choice->enabled;

    for (uint64_t left = choice->enabled; left != 0; left &= left - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(left);
        backends &= ~((uint64_t)!search_is_backend(&choice->next[agent]) << agent);
    }
    return backends;
}

/* Must something of the environment be tried here, if those backends may go on? */
static bool environment_acts(const struct explore_choice *choice, uint64_t backends,
                             uint32_t running)
{
    bool acts = backends == 0;

    for (uint64_t left = choice->enabled & ~backends_of(choice); left != 0; left &= left - 1) {
        const struct explore_step *step = &choice->next[__builtin_ctzll(left)];
        acts |= step->victim == running;
        for (uint64_t others = backends; others != 0 && !acts; others &= others - 1) {
            acts = explore_steps_conflict(step, &choice->next[__builtin_ctzll(others)]);
        }
    }
    return acts;
}

/* May the one who runs go on, and would a switch to another be a preemption? */
static bool search_runs_on(const struct search *search, const struct explore_choice *choice)
{
    const bool yields = choice->yielded && choice->current == search->running;

    return search->running != EXPLORE_NOBODY && !yields &&
           (choice->enabled >> search->running & 1) != 0;
}

static void search_preempt_ask(struct search *search, const struct explore_choice *choice,
                               uint32_t preemptions_max)
{
    const uint64_t backends = backends_of(choice);
    const bool runs_on = search_runs_on(search, choice);
    uint64_t chosen = backends;

    if (runs_on && (search->preempted >= preemptions_max ||
                    !step_contended(search, choice, &choice->next[search->running]))) {
        chosen = UINT64_C(1) << search->running;
    } else if ((backends & agents_willing(choice)) != 0) {
        chosen = backends & agents_willing(choice);
    }
    struct search_node *added = search_push(search);
    added->enabled = choice->enabled;
    added->wanted = chosen;
    if (environment_acts(choice, chosen, search->running)) {
        added->wanted |= choice->enabled & ~backends;
    }
    added->picked = runs_on ? search->running : (uint32_t)__builtin_ctzll(added->wanted);
}

uint32_t search_preempt_pick(struct search *search, struct explore_choice *choice,
                             uint32_t preemptions_max)
{
    uint32_t picked;

    choice->run = 0;
    if (search->learned < STRATEGY_LEARNING) {
        const uint64_t willing = agents_willing(choice);
        picked = agents_any(willing, (uint32_t)random_next(&search->draws.schedule));
    } else {
        if (search->at == search->length) {
            search_preempt_ask(search, choice, preemptions_max);
        }
        const struct search_node *node = &search->path[search->at++];
        sv_assert(!node->is_draw && node->enabled == choice->enabled,
                  "the same choices lead elsewhere, at step %" PRIu64, choice->number);
        picked = node->picked;
    }
    search_note_waiting(search, choice->waiting, choice->next);
    search_note_user(search, &choice->next[picked]);
    if (search_is_backend(&choice->next[picked])) {
        search->preempted += search_runs_on(search, choice) && picked != search->running;
        search->running = picked;
    }
    return picked;
}

bool search_preempt_end(struct search *search, const struct explore_outcome *outcome)
{
    search_note_waiting(search, outcome->waiting, outcome->next);
    const bool restarts = search->restarts || search->learned < STRATEGY_LEARNING;

    search->learned += search->learned < STRATEGY_LEARNING;
    search->restarts = false;
    return !restarts;
}
