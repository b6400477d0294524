/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A step is contended if another backend takes one, in whatever execution, that conflicts with it,
 * unless the two hold locks then that keep each other out. Learned is, for each object, kind of
 * step and agent, which locks were held at all of these (Savage and others: Eraser, SOSP 1997).
 *
 * A search leaves out preemptions before steps that are not contended (search_preempt.c). Why that
 * leaves out nothing, if at its end nothing that was said has turned out to be wrong: let A be
 * preempted before s, and others take w, then c, which is the first to conflict with s. Then A can
 * as well take s first and be preempted after it, and w and c follow as before: one of the
 * executions in which preemptions come later, which are gone through, by induction, in this or an
 * equivalent order. In it, s and c are learned from. If a lock that A holds at s and C holds at c
 * is what keeps them apart, both hold it at c, since A has not gone on after s; so whoever took it
 * last took it while the other held it. That is looked for at each acquire, and such a lock is
 * broken: it counts no more. What an agent holds it knows by its own steps, so in equivalent orders
 * it holds the same.
 *
 * What judges look at after a step is no step of anybody. It is taken for one more object, which
 * each write that is judged changes.
 */
#include "faults/explore/search_contention.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Locks held at each of those steps; all locks if there was none. */
struct usage {
    struct explore_guards all;
    struct explore_guards quiet; /* of those that were said not to be contended */
};

static const struct explore_guards everything = {UINT64_MAX, UINT64_MAX};

int contention_open(struct contention *contention, uint32_t objects, uint32_t agents)
{
    const size_t sorts = (size_t)(objects + 1) * EXPLORE_STEP_KINDS; /* and what judges look at */

    *contention = (struct contention){.objects = objects, .agents = agents};
    contention->users = calloc(sorts, sizeof(contention->users[0]));
    contention->uses = malloc(sorts * agents * sizeof(contention->uses[0]));
    if (contention->users == NULL || contention->uses == NULL) {
        contention_close(contention);
        return -ENOMEM;
    }
    memset(contention->uses, UINT8_MAX, sorts * agents * sizeof(contention->uses[0]));
    return 0;
}

void contention_close(struct contention *contention)
{
    free(contention->users);
    free(contention->uses);
    *contention = (struct contention){0};
}

static struct usage *usage_of(const struct contention *contention, uint32_t object, uint32_t kind,
                              uint32_t agent)
{
    return &contention
                ->uses[((size_t)object * EXPLORE_STEP_KINDS + kind) * contention->agents + agent];
}

static uint64_t *users_of(const struct contention *contention, uint32_t object, uint32_t kind)
{
    return &contention->users[(size_t)object * EXPLORE_STEP_KINDS + kind];
}

static struct explore_guards guards_of(const struct contention *contention,
                                       const struct explore_choice *choice, uint32_t agent)
{
    struct explore_guards guards = {0};

    if (choice->guards != NULL) {
        guards = choice->guards(choice, agent);
    }
    return (struct explore_guards){guards.alone & ~contention->broken,
                                   guards.shared & ~contention->broken};
}

/*
 * Does another agent do to that object what conflicts with such a use of it, with no lock to keep
 * them apart? If learns: of what was said not to be contended.
 */
static bool has_rival(const struct contention *contention, uint32_t object, uint32_t kind,
                      uint32_t agent, const struct explore_guards *guards, bool learns)
{
    for (uint32_t kinds = explore_conflicts[kind]; kinds != 0; kinds &= kinds - 1) {
        const uint32_t other = (uint32_t)__builtin_ctz(kinds);
        uint64_t users = *users_of(contention, object, other) & ~(UINT64_C(1) << agent);
        for (; users != 0; users &= users - 1) {
            const struct usage *usage =
                usage_of(contention, object, other, (uint32_t)__builtin_ctzll(users));
            if (!explore_guards_exclude(guards, learns ? &usage->quiet : &usage->all)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_judged(const struct explore_choice *choice, const struct explore_step *step)
{
    return choice->judged != NULL &&
           (step->kind == EXPLORE_WRITE || step->kind == EXPLORE_UPDATE) &&
           choice->judged[step->object] != 0;
}

static bool step_has_objects(const struct explore_step *step)
{
    return step->kind != EXPLORE_NONE && step->kind != EXPLORE_ALL;
}

bool contention_of(const struct contention *contention, const struct explore_choice *choice,
                   const struct explore_step *step)
{
    const struct explore_guards guards = guards_of(contention, choice, step->agent);
    bool contended =
        is_judged(choice, step) &&
        has_rival(contention, contention->objects, EXPLORE_UPDATE, step->agent, &guards, false);

    for (uint32_t i = 0; step_has_objects(step) && i < step->span && !contended; i++) {
        contended =
            has_rival(contention, step->object + i, step->kind, step->agent, &guards, false);
    }
    return contended;
}

static void join(struct explore_guards *to, const struct explore_guards *with)
{
    to->alone &= with->alone;
    to->shared &= with->shared;
}

static bool has_all(const struct explore_guards *guards, const struct explore_guards *of)
{
    return (of->alone & ~guards->alone) == 0 && (of->shared & ~guards->shared) == 0;
}

static void learn_use(struct contention *contention, uint32_t object, uint32_t kind, uint32_t agent,
                      const struct explore_guards *guards, bool quiet)
{
    struct usage *usage = usage_of(contention, object, kind, agent);
    uint64_t *users = users_of(contention, object, kind);

    if ((*users >> agent & 1) == 0 || !has_all(guards, &usage->all)) {
        *users |= UINT64_C(1) << agent;
        join(&usage->all, guards);
        contention->has_changed |= has_rival(contention, object, kind, agent, &usage->all, true);
    }
    if (quiet) {
        join(&usage->quiet, guards);
    }
}

void contention_learn(struct contention *contention, const struct explore_choice *choice,
                      const struct explore_step *step)
{
    contention->has_changed |= (choice->broken & ~contention->broken) != 0;
    contention->broken |= choice->broken;
    if (!step_has_objects(step)) {
        return;
    }
    const struct explore_guards guards = guards_of(contention, choice, step->agent);
    const bool quiet = !contention_of(contention, choice, step);
    for (uint32_t i = 0; i < step->span; i++) {
        learn_use(contention, step->object + i, step->kind, step->agent, &guards, quiet);
    }
    if (is_judged(choice, step)) {
        learn_use(contention, contention->objects, EXPLORE_UPDATE, step->agent, &guards, quiet);
    }
}

void contention_forget(struct contention *contention)
{
    const size_t uses = (size_t)(contention->objects + 1) * EXPLORE_STEP_KINDS * contention->agents;

    contention->has_changed = false;
    for (size_t i = 0; i < uses; i++) {
        contention->uses[i].quiet = everything;
    }
}
