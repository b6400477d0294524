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
 *   the search was in that state with the same backend running on and no less left to spend, then
 *   all that can follow has been gone through, or will be, being deeper in the tree that was
 *   entered there. The execution is dropped. So the death of a backend anywhere between two of its
 *   steps that others can notice is tried once, and so are steps of two backends that do not meet.
 *   But if it is this execution that was there, it goes round and round, and nobody gets anywhere:
 *   then it goes on, without further questions, until everyone gets his turn (machine.c), which is
 *   told as a livelock if nobody comes to an end then either; and in any case the search is not
 *   complete. What is counted or timed in each round makes states different, and is found to go on
 *   for too long when it has.
 *
 *   Preemptions before a step that is not contended (search_contention.c), if nothing of the
 *   environment conflicts with it now. It can be taken at once, before the switch, and everything
 *   is as it was. What is contended is learned: in some random executions first, then as the search
 *   goes on; if it turns out that there is more, the search begins anew, and forgets where it has
 *   been. So that it turns out early, all is gone through with no preemption first, then with one,
 *   and so on; what has been seen with as many left to spend is not seen again.
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
    bool contended = contention_of(&search->contention, choice, step);

    for (uint64_t left = choice->enabled; left != 0 && !contended; left &= left - 1) {
        const struct explore_step *other = &choice->next[__builtin_ctzll(left)];
        const bool unseen =
            other->victim == step->agent && step_is_death(other) && step_only_looks(step);
        contended = !search_is_backend(other) && !unseen && explore_steps_conflict(other, step);
    }
    return contended;
}

static void search_learn_waiting(struct search *search, const struct explore_choice *choice)
{
    for (uint64_t waiting = choice->waiting; waiting != 0; waiting &= waiting - 1) {
        contention_learn(&search->contention, choice, &choice->next[__builtin_ctzll(waiting)]);
    }
}

void search_preempt_begin(struct search *search, uint64_t seed)
{
    search->ahead = 0;
    search->preempted = 0;
    search->running = EXPLORE_NOBODY;
    search->changed = true;
    search->adrift = false;
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
        agents |= acts ? left & -left : 0;
    }
    return agents;
}

/* A number for the state before this choice, of who runs on, too; 0: it is not known. */
static uint64_t search_state(const struct search *search, const struct explore_choice *choice,
                             bool runs_on)
{
    const uint32_t running = runs_on ? search->running : EXPLORE_NOBODY;

    return choice->state != NULL ? random_hash(choice->state(choice), running) : 0;
}

/* Has this execution been in that state? */
static bool search_goes_round(const struct search *search, uint64_t state)
{
    uint32_t i = search->length;

    while (i > 0 && search->path[i - 1].state != state) {
        i--;
    }
    return i > 0;
}

/* Returns: false: all that can follow has been seen, or this goes round and round. */
static bool search_preempt_ask(struct search *search, const struct explore_choice *choice,
                               uint32_t preemptions_max)
{
    const uint64_t backends = backends_of(choice);
    const bool runs_on = search_runs_on(search, choice);
    const bool contended =
        runs_on && step_contended(search, choice, &choice->next[search->running]);
    uint64_t chosen = backends;

    if (runs_on && (search->preempted >= search->bound || !contended)) {
        chosen = UINT64_C(1) << search->running;
    } else if ((backends & agents_willing(choice)) != 0) {
        chosen = backends & agents_willing(choice);
    }
    const uint64_t wanted =
        chosen | environment_acts(search, choice, chosen, search->preempted < search->bound);
    const bool forks = contended || !runs_on || (wanted & (wanted - 1)) != 0;
    const uint64_t state = forks ? search_state(search, choice, runs_on) : 0;
    if (state != 0 && preemptions_max <= VISITED_SPENT_MAX &&
        visited_before(&search->visited, state,
                       preemptions_max - search->bound + search->preempted)) {
        search->adrift = search_goes_round(search, state);
        return false;
    }
    struct search_node *added = search_push(search);
    added->preempted = search->preempted;
    added->running = search->running;
    added->changed = search->changed;
    added->state = state;
    added->enabled = choice->enabled;
    added->wanted = wanted;
    added->picked = runs_on ? search->running : (uint32_t)__builtin_ctzll(added->wanted);
    return true;
}

/* The node of this choice, which is one of the path. */
static const struct search_node *search_repeat(struct search *search,
                                               const struct explore_choice *choice)
{
    struct search_node *node = &search->path[search->at++];

    node->step = choice->next[node->picked];
    search->preempted = node->preempted;
    search->running = node->running;
    search->changed = node->changed;
    return node;
}

/* Nothing more is asked in an execution that goes round and round. */
static uint32_t search_drift(const struct search *search, const struct explore_choice *choice)
{
    const uint64_t backends = backends_of(choice);

    return search_runs_on(search, choice)
               ? search->running
               : (uint32_t)__builtin_ctzll(backends != 0 ? backends : choice->enabled);
}

/* Not all the answers that were given ahead were needed: it is asked again sooner. */
static void search_take_back(struct search *search, const struct explore_choice *choice)
{
    const uint64_t taken = choice->number - choice->unasked - search->answered - 1;

    search->at -= taken < search->ahead ? search->ahead - (uint32_t)taken : 0;
    search->ahead = 0;
}

/*
 * Of the path, the same backend goes on for so many questions more; the last one of the path is
 * asked in any case, so that all is known from there on.
 */
static uint32_t search_answer_ahead(struct search *search, const struct explore_choice *choice)
{
    const struct search_node *node = &search->path[search->at - 1];
    const struct search_node *next = node + 1;
    const struct search_node *last = &search->path[search->length - 1];

    while (search_is_backend(&node->step) && next < last && !next->is_draw &&
           next->picked == node->picked) {
        next++;
    }
    if (next > node + 1) {
        search->ahead = (uint32_t)(next - node) - 1;
        search->answered = choice->number - choice->unasked;
        search->at += search->ahead;
    }
    return search->ahead;
}

/* Returns: an agent; EXPLORE_STOP. */
static uint32_t search_answer(struct search *search, struct explore_choice *choice,
                              uint32_t preemptions_max)
{
    search_take_back(search, choice);
    const bool repeats = search->at < search->length;

    search->changed |= choice->noted;
    if (search->adrift || (!repeats && !search_preempt_ask(search, choice, preemptions_max))) {
        return search->adrift ? search_drift(search, choice) : EXPLORE_STOP;
    }
    const struct search_node *node =
        repeats ? search_repeat(search, choice) : &search->path[search->at++];
    sv_assert(!node->is_draw && node->enabled == choice->enabled,
              "the same choices lead elsewhere, at step %" PRIu64, choice->number);
    choice->run = repeats ? search_answer_ahead(search, choice) : 0;
    return node->picked;
}

uint32_t search_preempt_pick(struct search *search, struct explore_choice *choice,
                             uint32_t preemptions_max)
{
    const bool learns = search->learned < STRATEGY_LEARNING;

    choice->run = 0;
    const uint32_t picked =
        learns ? agents_any(agents_willing(choice), (uint32_t)random_next(&search->draws.schedule))
               : search_answer(search, choice, preemptions_max);
    if (picked == EXPLORE_STOP) {
        return EXPLORE_STOP;
    }
    if (learns || search->at > search->fresh) { /* else it was learned from */
        search_learn_waiting(search, choice);
        contention_learn(&search->contention, choice, &choice->next[picked]);
    }
    search->preempted += search_preempts(search, choice, picked);
    if (search_is_backend(&choice->next[picked])) {
        search->changed = picked != search->running || !step_only_looks(&choice->next[picked]);
        search->running = picked;
    }
    return picked;
}

bool search_preempt_end(struct search *search, const struct explore_outcome *outcome)
{
    const bool learns = search->learned < STRATEGY_LEARNING;

    search_learn_waiting(
        search, &(struct explore_choice){.waiting = outcome->waiting, .next = outcome->next});
    const bool restarts = learns || search->contention.has_changed;
    search->learned += learns;
    if (restarts) {
        contention_forget(&search->contention);
        visited_clear(&search->visited);
    }
    return !restarts;
}

bool search_preempt_more(struct search *search, uint32_t preemptions_max)
{
    if (search->bound == preemptions_max) {
        return false;
    }
    search->bound++;
    return true;
}
