/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Search: all schedules with few preemptions (Musuvathi, Qadeer: Iterative context bounding for
 * systematic testing of multithreaded programs, PLDI 2007).
 *
 * A preemption is a switch away from a backend that could go on and did not yield, or a signal that
 * interrupts one. Most bugs need one or two; and with a bound on them the number of schedules is a
 * polynomial in the length of an execution, so that worlds too large for one schedule of each order
 * are still gone through.
 *
 * What is promised: each state in which a schedule within the bound can end is reached, and what is
 * judged on the way to it as well. The bound is not the same for all schedules of an order, so
 * there are no sleep sets here (Coons, Musuvathi, McKinley: Bounded partial-order reduction, OOPSLA
 * 2013, tells what they would miss). What is left out:
 *
 *   Where the search has been. If the carrier tells the hash of a state (explore_choice.state), and
 *   the search was in that state with the same backend running on and no more preemptions behind
 *   it, then all that can follow has been gone through, or will be, being deeper in the tree that
 *   was entered there. The execution is dropped. So the death of a backend anywhere between two of
 *   its steps that others can notice is tried once, and so are steps of two backends that do not
 *   meet.
 *
 *   Preemptions before a step that is not contended: no step of another agent is known, taken or
 *   waited for, that conflicts with it, and nothing of the environment is about to. Such a step can
 *   be taken at once, before the switch, and everything is as it was. What is contended is learned:
 *   in some random executions first, then as the search goes on; if it turns out that there is
 *   more, the search begins anew, and forgets where it has been. So in a search that comes to its
 *   end, nothing that was taken for uncontended was contended in any of its executions.
 *
 *   A yielder's next step, as long as another can go on. This is part of the bound: the schedules
 *   in which it spins on are not counted among those with few preemptions.
 *
 *   What the environment does, where it could be done later: no step that may come conflicts with
 *   it. But if its victim is the one who runs it is tried in any case: after a death, the switch to
 *   another backend costs nothing. Two deaths change places though their steps conflict: what they
 *   share is their budget, and there it is the same whose death was first.
 *
 *   Deaths after looks: who dies before a step that only looks leaves behind what it leaves behind
 *   if it dies after it, and nobody sees what the dead have seen. So the death of who runs is tried
 *   when it has begun to run, and after each step that changed something, the books of the judges
 *   included.
 */
#include "base/assert.h"
#include "faults/explore/search.h"

#include <string.h>

static bool step_has_objects(const struct explore_step *step)
{
    return step->kind != EXPLORE_NONE && step->kind != EXPLORE_ALL;
}

static uint64_t *users_of(const struct search *search, uint32_t object, uint32_t kind)
{
    return &search->users[(size_t)object * EXPLORE_STEP_KINDS + kind];
}

/* Agents that do to that object what conflicts with a step of that kind. */
static uint64_t search_rivals(const struct search *search, uint32_t object, uint32_t kind)
{
    uint64_t rivals = 0;

    for (uint32_t kinds = explore_conflicts[kind]; kinds != 0; kinds &= kinds - 1) {
        rivals |= *users_of(search, object, (uint32_t)__builtin_ctz(kinds));
    }
    return rivals;
}

/* It changes nothing that others can see. */
static bool step_only_looks(const struct explore_step *step)
{
    return step->kind == EXPLORE_READ || step->kind == EXPLORE_NONE;
}

static bool step_is_death(const struct explore_step *step)
{
    return !search_is_backend(step) && step->kind != EXPLORE_NONE;
}

/* May that step of a backend not be taken at once, whatever others are going to do? */
static bool step_contended(const struct search *search, const struct explore_choice *choice,
                           const struct explore_step *step)
{
    const uint64_t others = ~(UINT64_C(1) << step->agent);
    bool contended = false;

    for (uint64_t left = choice->enabled; left != 0 && !contended; left &= left - 1) {
        const struct explore_step *other = &choice->next[__builtin_ctzll(left)];
        const bool unseen =
            other->victim == step->agent && step_is_death(other) && step_only_looks(step);
        contended = !search_is_backend(other) && !unseen && explore_steps_conflict(other, step);
    }
    for (uint32_t i = 0; step_has_objects(step) && i < step->span && !contended; i++) {
        contended = (search_rivals(search, step->object + i, step->kind) & others) != 0;
    }
    return contended;
}

/* Was somebody's use of that object not contended, which the new one by agent conflicts with? */
static bool search_surprises(const struct search *search, uint32_t object, uint32_t kind,
                             uint32_t agent)
{
    for (uint32_t kinds = explore_conflicts[kind]; kinds != 0; kinds &= kinds - 1) {
        const uint32_t other = (uint32_t)__builtin_ctz(kinds);
        uint64_t users = *users_of(search, object, other) & ~(UINT64_C(1) << agent);
        for (; users != 0; users &= users - 1) {
            if ((search_rivals(search, object, other) & ~(users & -users)) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* A step is taken, or waited for. */
static void search_note_user(struct search *search, const struct explore_step *step)
{
    const uint64_t user = UINT64_C(1) << step->agent;

    for (uint32_t i = 0; step_has_objects(step) && i < step->span; i++) {
        uint64_t *users = users_of(search, step->object + i, step->kind);
        if ((*users & user) == 0) {
            search->restarts |= search_surprises(search, step->object + i, step->kind, step->agent);
            *users |= user;
        }
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
    search->changed = true;
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

/* May the one who runs go on, and would a switch to another be a preemption? */
static bool search_runs_on(const struct search *search, const struct explore_choice *choice)
{
    const bool yields = choice->yielded && choice->current == search->running;

    return search->running != EXPLORE_NOBODY && !yields &&
           (choice->enabled >> search->running & 1) != 0;
}

/* Is the step of agent a preemption: another goes on, or a signal interrupts? */
static bool search_preempts(const struct search *search, const struct explore_choice *choice,
                            uint32_t agent)
{
    const struct explore_step *step = &choice->next[agent];
    const bool switches = search_is_backend(step) && agent != search->running;
    const bool interrupts = step->victim == search->running && step->kind == EXPLORE_NONE;

    return (switches || interrupts) && search_runs_on(search, choice);
}

/* What of the environment must be tried here, if those backends may go on? */
static uint64_t environment_acts(const struct search *search, const struct explore_choice *choice,
                                 uint64_t backends, bool may_preempt)
{
    uint64_t agents = 0;

    for (uint64_t left = choice->enabled & ~backends_of(choice); left != 0; left &= left - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(left);
        const struct explore_step *step = &choice->next[agent];
        if (!may_preempt && search_preempts(search, choice, agent)) {
            continue;
        }
        bool acts = backends == 0 ||
                    (step->victim == search->running && (search->changed || !step_is_death(step)));
        for (uint64_t others = backends; others != 0 && !acts; others &= others - 1) {
            const struct explore_step *other = &choice->next[__builtin_ctzll(others)];
            const bool own = step_is_death(step) && step->victim == other->agent;
            acts = own ? step->victim != search->running : explore_steps_conflict(step, other);
        }
        agents |= (uint64_t)acts << agent;
    }
    return agents;
}

/* Has all that can follow been seen, with no more left to spend? */
static bool search_was_here(struct search *search, const struct explore_choice *choice,
                            bool runs_on)
{
    const uint64_t running = runs_on ? search->running : EXPLORE_NOBODY;

    return choice->state != NULL && search->preempted <= VISITED_SPENT_MAX &&
           visited_before(&search->visited, random_hash(choice->state(choice), running),
                          search->preempted);
}

static uint64_t *search_told(const struct search *search, uint32_t node)
{
    return search->told + (size_t)node * search->agents;
}

/* Returns: false: all that can follow has been seen. */
static bool search_preempt_ask(struct search *search, const struct explore_choice *choice,
                               uint32_t preemptions_max)
{
    const uint64_t backends = backends_of(choice);
    const bool runs_on = search_runs_on(search, choice);
    const bool contended =
        runs_on && step_contended(search, choice, &choice->next[search->running]);
    uint64_t chosen = backends;

    if (runs_on && (search->preempted >= preemptions_max || !contended)) {
        chosen = UINT64_C(1) << search->running;
    } else if ((backends & agents_willing(choice)) != 0) {
        chosen = backends & agents_willing(choice);
    }
    const uint64_t wanted =
        chosen | environment_acts(search, choice, chosen, search->preempted < preemptions_max);
    if ((contended || !runs_on || (wanted & (wanted - 1)) != 0) &&
        search_was_here(search, choice, runs_on)) {
        return false;
    }
    struct search_node *added = search_push(search);
    if (choice->told != NULL) {
        memcpy(search_told(search, search->length - 1), choice->told,
               search->agents * sizeof(choice->told[0]));
    }
    added->number = choice->number;
    added->preempted = search->preempted;
    added->running = search->running;
    added->changed = search->changed;
    added->enabled = choice->enabled;
    added->wanted = wanted;
    added->picked = runs_on ? search->running : (uint32_t)__builtin_ctzll(added->wanted);
    return true;
}

/* After that node, how many more steps of the same agent, before anything is to be asked? */
static uint32_t search_run(const struct search *search, uint32_t number)
{
    const struct search_node *path = search->path;
    uint32_t end = number + 1;

    if (!search_is_backend(&path[number].step)) {
        return 0;
    }
    while (end < search->fresh && !path[end].is_draw && path[end].picked == path[number].picked &&
           path[end].number == path[end - 1].number + 1 && !path[end + 1].is_draw) {
        end++;
    }
    return end - number - 1;
}

/*
 * The node of this choice, which is one of the path; steps since the last one may not have been
 * asked.
 */
static const struct search_node *search_repeat(struct search *search, struct explore_choice *choice)
{
    while (search->path[search->at].number < choice->number) {
        search->at++;
    }
    const uint32_t number = search->at++;
    struct search_node *node = &search->path[number];

    node->step = choice->next[node->picked];
    search->preempted = node->preempted;
    search->running = node->running;
    search->changed = node->changed;
    if (number == search->fresh && choice->told != NULL) {
        memcpy(choice->told, search_told(search, number), search->agents * sizeof(choice->told[0]));
    }
    choice->run = number < search->fresh ? search_run(search, number) : 0;
    return node;
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
        const bool repeats = search->at < search->length;
        search->changed |= choice->noted;
        if (!repeats && !search_preempt_ask(search, choice, preemptions_max)) {
            return EXPLORE_STOP;
        }
        const struct search_node *node =
            repeats ? search_repeat(search, choice) : &search->path[search->at++];
        sv_assert(!node->is_draw && node->enabled == choice->enabled,
                  "the same choices lead elsewhere, at step %" PRIu64, choice->number);
        picked = node->picked;
    }
    search_note_waiting(search, choice->waiting, choice->next);
    search_note_user(search, &choice->next[picked]);
    search->preempted += search_preempts(search, choice, picked);
    if (search_is_backend(&choice->next[picked])) {
        search->changed = picked != search->running || !step_only_looks(&choice->next[picked]);
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
    if (restarts) {
        visited_clear(&search->visited);
    }
    return !restarts;
}
