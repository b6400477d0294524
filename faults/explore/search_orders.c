/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Search: one schedule of each order.
 *
 * Source sets and sleep sets (Abdulla, Aronsson, Jonsson, Sagonas: Optimal dynamic partial order
 * reduction, POPL 2014). An execution's steps are partially ordered by its agents and by conflicts
 * (step.h), told by vector clocks. Two steps e, f of different agents that conflict, with nothing
 * between them in that order, are a race: there may be an execution in which f comes first. So at
 * the node of e somebody is wanted who can begin such an execution: one of the first steps, in that
 * order, of what comes after e but not because of e, with f at its end. An agent sleeps at a node
 * if all that it can begin there has been seen, and wakes when a step conflicts with its next one.
 * Where all who can go on sleep, the execution is dropped.
 *
 * Why nothing is missed, where the theory of that paper has no words for it:
 *
 *   Locks      A release and an acquire conflict but are never both possible. So a lock's acquires
 *              race with each other, as if nothing of that lock were between them, but for what
 *              else orders them. If the one who is to begin cannot at that node, everybody is
 *   wanted. Deadlock   An acquire that was never granted is not a step of the execution. At its
 *              end, where it is dropped, and when its agent dies, it is held against all steps as
 *              if it were the last.
 *   Sleepers   A wait always can go on: what it finds decides whether it sleeps. Then its agent has
 *              no step, until a wake gives it one, which comes after that wake.
 *   Ghosts     A death ends its victim, whose next step is then no step of the execution; one with
 *              a budget ends the others that share it; a backend's end takes away its death; after
 *              the arrival of a signal its victim's next step is the handler's. What would have
 *              been the next step is kept as a ghost, and at the end of the execution held against
 *              the one that took it away, as if it had been taken last of what does not depend on
 *              that.
 *   Signals    An arrival conflicts with each of its victim's steps, so it is tried between any two
 *              of them. It is enabled by the sending, and comes after it.
 *   Time-outs  EXPLORE_ALL conflicts with all. It can go on only where no other backend can, so it
 *              races with none of theirs; but with deaths and arrivals it does.
 *   Failure    An execution ends where an oracle says no, and what would have raced with its last
 *              step is not known. So at each of its nodes everybody is wanted.
 *   Draws      Each answer is tried, under the same path; what an agent draws is part of its step.
 *              The bound on loud ones is the same for all schedules of an order, and being quiet is
 *              always allowed, so it takes whole orders away and nothing of the others.
 *
 * Tested against all schedules of small programs, gone through without any reduction
 * (tests/exhaustive_sched.c).
 */
#include "base/assert.h"
#include "faults/explore/search.h"

#include <stdlib.h>
#include <string.h>

static uint16_t *search_clock(const struct search *search, uint32_t node)
{
    return search->clocks + (size_t)node * search->agents;
}

static void clock_join(uint16_t *clock, const uint16_t *other, uint32_t agents)
{
    for (uint32_t i = 0; i < agents; i++) {
        clock[i] = other[i] > clock[i] ? other[i] : clock[i];
    }
}

static bool step_acquires(const struct explore_step *step)
{
    return step->kind == EXPLORE_ACQUIRE || step->kind == EXPLORE_ACQUIRE_SHARED;
}

/*
 * Who can begin, at node `from`, with what comes after it but not because of it, and then `step`,
 * whose clock is given? The set of initials in the words of the paper.
 */
static uint64_t search_initials(const struct search *search, uint32_t from,
                                const struct explore_step *step, const uint16_t *clock)
{
    const struct search_node *first = &search->path[from];
    uint16_t begins[EXPLORE_AGENTS_MAX]; /* by agent of seen: the ordinal of its first step there */
    uint64_t seen = 0;
    uint64_t initials = 0;

    for (uint32_t i = from + 1; i <= search->last; i++) {
        const struct search_node *node = &search->path[i];
        const uint16_t *own = search_clock(search, i);
        if (node->is_draw || own[first->picked] >= first->ordinal ||
            (seen >> node->picked & 1) != 0) {
            continue;
        }
        bool initial = true;
        for (uint64_t others = seen; others != 0 && initial; others &= others - 1) {
            const uint32_t other = (uint32_t)__builtin_ctzll(others);
            initial = own[other] < begins[other];
        }
        seen |= UINT64_C(1) << node->picked;
        begins[node->picked] = (uint16_t)node->ordinal;
        initials |= (uint64_t)initial << node->picked;
    }
    bool initial = (seen >> step->agent & 1) == 0;
    for (uint64_t others = seen; others != 0 && initial; others &= others - 1) {
        const uint32_t other = (uint32_t)__builtin_ctzll(others);
        initial = clock[other] < begins[other];
    }
    return initials | (uint64_t)initial << step->agent;
}

/* Somebody who begins an execution in which step, with that clock, comes before node's. */
static void search_want(struct search *search, uint32_t number, const struct explore_step *step,
                        const uint16_t *clock)
{
    struct search_node *node = &search->path[number];
    const uint64_t initials = search_initials(search, number, step, clock);
    const uint64_t possible = initials & node->enabled;

    if ((initials & (node->wanted | node->sleep)) != 0) {
        return;
    }
    node->wanted |= possible == 0 ? node->enabled : possible & -possible;
}

/* Can the two, which conflict, change places, the one at node and a later one? */
static bool search_may_race(const struct explore_step *first, const struct explore_step *second)
{
    if (first->victim == second->agent) {
        return false; /* it would have been another step: a ghost */
    }
    if (first->kind == EXPLORE_ALL || second->kind == EXPLORE_ALL) {
        return first->victim != EXPLORE_NOBODY || second->victim != EXPLORE_NOBODY;
    }
    return first->kind < EXPLORE_ACQUIRE || (step_acquires(first) && step_acquires(second)) ||
           first->victim != EXPLORE_NOBODY || second->victim != EXPLORE_NOBODY;
}

/*
 * The races of a step that comes after all of the path, and what comes before it: its clock, out,
 * not counting itself. Whoever conflicts and is not known to come before, is found in the order of
 * nearness: so nothing is between. A lock's releases are left out until that is done.
 */
static void search_races(struct search *search, const struct explore_step *step, uint16_t *clock,
                         bool fresh)
{
    uint16_t released[EXPLORE_AGENTS_MAX] = {0};

    memcpy(clock, search->pasts[step->agent], search->agents * sizeof(clock[0]));
    for (uint32_t i = search->last; i != SEARCH_NO_NODE; i--) {
        const struct search_node *node = &search->path[i];
        if (node->is_draw || clock[node->picked] >= node->ordinal ||
            !explore_steps_conflict(&node->step, step)) {
            continue;
        }
        if (step_acquires(step) && !step_acquires(&node->step) &&
            node->step.kind >= EXPLORE_RELEASE && node->step.kind <= EXPLORE_RELEASE_SHARED) {
            clock_join(released, search_clock(search, i), search->agents);
            continue;
        }
        if (fresh && search_may_race(&node->step, step)) {
            uint16_t before[EXPLORE_AGENTS_MAX];
            memcpy(before, clock, search->agents * sizeof(before[0]));
            clock_join(before, released, search->agents);
            search_want(search, i, step, before);
        }
        clock_join(clock, search_clock(search, i), search->agents);
    }
    clock_join(clock, released, search->agents);
}

/* The races of acquires that those agents were not granted. */
static void search_races_of_waiting(struct search *search, uint64_t waiting,
                                    const struct explore_step *next)
{
    uint16_t clock[EXPLORE_AGENTS_MAX];

    for (; waiting != 0; waiting &= waiting - 1) {
        const struct explore_step *step = &next[__builtin_ctzll(waiting)];
        if (step_acquires(step)) {
            search_races(search, step, clock, true);
        }
    }
}

/* The step at that node keeps this one from being taken as it is. */
static void search_haunt(struct search *search, uint32_t node, const struct explore_step *step)
{
    if (search->ghost_count == search->ghost_capacity) {
        const uint32_t capacity = search->ghost_capacity * 2 + 16;
        struct search_ghost *ghosts = realloc(search->ghosts, capacity * sizeof(*ghosts));
        sv_assert(ghosts != NULL, "no memory for %" PRIu32 " steps that are never taken", capacity);
        search->ghosts = ghosts;
        search->ghost_capacity = capacity;
    }
    struct search_ghost *ghost = &search->ghosts[search->ghost_count++];
    ghost->node = node;
    ghost->step = *step;
    memcpy(ghost->past, search->pasts[step->agent], sizeof(ghost->past));
    search->path[node].wanted |= search->path[node].enabled & UINT64_C(1) << step->agent;
}

/* The environment is about to do something to a backend, at that node. */
static void search_haunt_victim(struct search *search, uint32_t number,
                                const struct explore_choice *choice)
{
    const struct explore_step *next = &choice->next[search->path[number].step.victim];
    const uint64_t victim = UINT64_C(1) << search->path[number].step.victim;
    const bool waits = (choice->waiting & victim) != 0 && step_acquires(next);

    if (waits) {
        search_races_of_waiting(search, victim, choice->next);
    }
    if (waits || (choice->enabled & victim) != 0) {
        search_haunt(search, number, next);
    }
}

/* Who can begin to let a ghost take its step before the step that keeps it from that. */
static void search_lay_ghosts(struct search *search)
{
    for (uint32_t i = 0; i < search->ghost_count; i++) {
        const struct search_ghost *ghost = &search->ghosts[i];
        const struct search_node *first = &search->path[ghost->node];
        uint16_t clock[EXPLORE_AGENTS_MAX];
        memcpy(clock, ghost->past, sizeof(clock));
        for (uint32_t j = ghost->node + 1; j <= search->last; j++) {
            const struct search_node *node = &search->path[j];
            if (!node->is_draw && search_clock(search, j)[first->picked] < first->ordinal &&
                explore_steps_conflict(&node->step, &ghost->step)) {
                clock_join(clock, search_clock(search, j), search->agents);
            }
        }
        search_want(search, ghost->node, &ghost->step, clock);
    }
}

/* What the newest step has changed: who comes after it, and whom it has taken a step away. */
static void search_follow(struct search *search, uint64_t enabled, const struct explore_step *next)
{
    if (search->last == SEARCH_NO_NODE) {
        return;
    }
    const struct search_node *node = &search->path[search->last];
    const uint64_t others = ~(UINT64_C(1) << node->picked);
    uint64_t given = enabled & ~node->enabled & others;
    uint64_t taken = search->last < search->fresh ? 0 : node->enabled & ~enabled & others;

    for (; given != 0; given &= given - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(given);
        if (!step_acquires(&next[agent])) {
            clock_join(search->pasts[agent], search_clock(search, search->last), search->agents);
        }
    }
    for (; taken != 0; taken &= taken - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(taken);
        if (agent != node->step.victim) {
            search_haunt(search, search->last, &search->steps[agent]);
        }
    }
}

void search_orders_begin(struct search *search)
{
    memset(search->pasts, 0, sizeof(search->pasts));
    search->sleep = 0;
    search->last = SEARCH_NO_NODE;
    search->dropped = false;
    while (search->ghost_count > 0 &&
           search->ghosts[search->ghost_count - 1].node >= search->fresh) {
        search->ghost_count--;
    }
}

/* Who goes on where nothing is known yet: the current one if it may, else a backend. */
static uint32_t search_first(const struct explore_choice *choice, uint64_t agents)
{
    if (choice->current < EXPLORE_AGENTS_MAX && (agents >> choice->current & 1) != 0 &&
        search_is_backend(&choice->next[choice->current])) {
        return choice->current;
    }
    for (uint64_t left = agents; left != 0; left &= left - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(left);
        if (search_is_backend(&choice->next[agent])) {
            return agent;
        }
    }
    return (uint32_t)__builtin_ctzll(agents);
}

/* Whose next step does not conflict with that of picked, of those. */
static uint64_t search_still_asleep(const struct explore_choice *choice, uint64_t agents,
                                    uint32_t picked)
{
    uint64_t asleep = 0;

    for (; agents != 0; agents &= agents - 1) {
        const uint32_t agent = (uint32_t)__builtin_ctzll(agents);
        const bool wakes =
            agent == picked || explore_steps_conflict(&choice->next[agent], &choice->next[picked]);
        asleep |= (uint64_t)!wakes << agent;
    }
    return asleep;
}

uint32_t search_orders_pick(struct search *search, struct explore_choice *choice)
{
    search_follow(search, choice->enabled, choice->next);
    if (search->at == search->length) {
        const uint64_t awake = choice->enabled & ~search->sleep;
        if (awake == 0) {
            search->dropped = true;
            search_races_of_waiting(search, choice->waiting, choice->next);
            search_lay_ghosts(search);
            return EXPLORE_STOP;
        }
        struct search_node *added = search_push(search);
        added->enabled = choice->enabled;
        added->sleep = search->sleep;
        added->picked = search_first(choice, choice->yielded && (awake & (awake - 1)) != 0
                                                 ? awake & ~(UINT64_C(1) << choice->current)
                                                 : awake);
        added->wanted = UINT64_C(1) << added->picked;
    }
    const uint32_t number = search->at++;
    struct search_node *node = &search->path[number];
    sv_assert(!node->is_draw && node->enabled == choice->enabled,
              "the same choices lead elsewhere, at step %" PRIu64, choice->number);

    const bool fresh = number >= search->fresh;
    uint16_t *past = search->pasts[node->picked];
    node->step = choice->next[node->picked];
    if (fresh && !search_is_backend(&node->step)) {
        search_haunt_victim(search, number, choice);
    }
    search_races(search, &node->step, search_clock(search, number), fresh);
    node = &search->path[number];
    node->ordinal = (uint32_t)past[node->picked] + 1;
    search_clock(search, number)[node->picked] = (uint16_t)node->ordinal;
    memcpy(past, search_clock(search, number), search->agents * sizeof(past[0]));
    search->sleep = search_still_asleep(choice, node->sleep, node->picked);
    search->last = number;
    memcpy(search->steps, choice->next, search->agents * sizeof(search->steps[0]));
    choice->run = 0;
    return node->picked;
}

void search_orders_end(struct search *search, const struct explore_outcome *outcome)
{
    if (search->dropped) {
        return;
    }
    if (outcome->failed) {
        for (uint32_t i = 0; i < search->length; i++) {
            search->path[i].wanted |= search->path[i].enabled;
        }
        return;
    }
    search_follow(search, 0, search->steps);
    search_races_of_waiting(search, outcome->waiting, outcome->next);
    search_lay_ghosts(search);
}
