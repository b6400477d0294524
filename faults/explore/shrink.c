/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Leaving out deviations, one or a few next to each other at a time, until none can be left out.
 *
 * A deviation says at which step it happens. If a switch is left out, what the other agent did
 * from there to the next switch comes later, and the steps of the first one by so many earlier. So
 * each cut is tried with what follows as it is, with all of it moved by that number, and with the
 * next switch alone moved, so that what both agents did in two runs they do in one. A fault that
 * does not matter may still have stood for a switch: so a switch is tried in its place.
 */
#include "faults/explore/shrink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How important a deviation is: those that should go first have the least. */
enum weight { WEIGHT_FAULT, WEIGHT_ANSWER, WEIGHT_SWITCH, WEIGHTS };

struct shrinking {
    const struct shrink *how;
    struct deviation *best; /* of those that fail */
    uint32_t count;
    uint32_t cost; /* of the best */
    struct deviation *trial;
    uint32_t capacity; /* of either: how long it was at first */
    uint32_t trials;
};

static enum weight deviation_weight(const struct shrinking *shrinking,
                                    const struct deviation *deviation)
{
    if (deviation->kind == DEVIATION_DRAW) {
        return WEIGHT_ANSWER;
    }
    return deviation->target >= shrinking->how->backends ? WEIGHT_FAULT : WEIGHT_SWITCH;
}

/* A fault is worth a switch more. */
static uint32_t shrink_cost(const struct shrinking *shrinking, const struct deviation *list,
                            uint32_t count)
{
    uint32_t cost = count;

    for (uint32_t i = 0; i < count; i++) {
        cost += deviation_weight(shrinking, &list[i]) == WEIGHT_FAULT;
    }
    return cost;
}

/* Is what was made of the best in trial, of that length, better? Then it is the best. */
static bool shrink_try(struct shrinking *shrinking, uint32_t count)
{
    if (shrinking->trials == shrinking->how->trials_max) {
        return false;
    }
    shrinking->trials++;
    if (!shrinking->how->fails(shrinking->how->argument, shrinking->trial, &count,
                               shrinking->capacity)) {
        return false;
    }
    const uint32_t cost = shrink_cost(shrinking, shrinking->trial, count);
    if (cost >= shrinking->cost) {
        return false;
    }
    shrinking->cost = cost;
    memcpy(shrinking->best, shrinking->trial, count * sizeof(shrinking->best[0]));
    shrinking->count = count;
    return true;
}

/* Without the deviations first to first + length - 1, and so many picks after them `earlier` steps
 * earlier. */
static bool shrink_cut(struct shrinking *shrinking, uint32_t first, uint32_t length,
                       uint32_t earlier, uint32_t moved)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < shrinking->count; i++) {
        struct deviation deviation = shrinking->best[i];
        if (i >= first && i < first + length) {
            continue;
        }
        if (i >= first && deviation.kind == DEVIATION_PICK && moved > 0) {
            deviation.at -= deviation.at >= earlier ? earlier : deviation.at;
            moved--;
        }
        shrinking->trial[count++] = deviation;
    }
    return shrink_try(shrinking, count);
}

/* Steps from that pick to the next; 0: there is no next, or it is no pick. */
static uint32_t shrink_run_length(const struct shrinking *shrinking, uint32_t place)
{
    if (shrinking->best[place].kind != DEVIATION_PICK) {
        return 0;
    }
    for (uint32_t i = place + 1; i < shrinking->count; i++) {
        if (shrinking->best[i].kind == DEVIATION_PICK) {
            return shrinking->best[i].at - shrinking->best[place].at;
        }
    }
    return 0;
}

/* Leave out what is at that place, alone or with what follows it. Returns: true: something is. */
static bool shrink_at(struct shrinking *shrinking, uint32_t place)
{
    const uint32_t run_length = shrink_run_length(shrinking, place);

    for (uint32_t length = 1; length <= 2 && place + length <= shrinking->count; length++) {
        if (shrink_cut(shrinking, place, length, 0, 0) ||
            (run_length != 0 && (shrink_cut(shrinking, place, length, run_length, UINT32_MAX) ||
                                 shrink_cut(shrinking, place, length, run_length, 1)))) {
            return true;
        }
    }
    return false;
}

/* Let a backend go on instead of the fault at that place. Returns: true: one did as well. */
static bool shrink_fault(struct shrinking *shrinking, uint32_t place)
{
    for (uint32_t backend = 0; backend < shrinking->how->backends; backend++) {
        for (uint32_t earlier = 0; earlier <= 1; earlier++) {
            memcpy(shrinking->trial, shrinking->best,
                   shrinking->count * sizeof(shrinking->best[0]));
            shrinking->trial[place].target = backend;
            for (uint32_t i = place + 1; i < shrinking->count; i++) {
                shrinking->trial[i].at -= shrinking->trial[i].kind == DEVIATION_PICK ? earlier : 0;
            }
            if (shrink_try(shrinking, shrinking->count)) {
                return true;
            }
        }
    }
    return false;
}

/* Leave out halves, quarters and so on. */
static void shrink_coarsely(struct shrinking *shrinking)
{
    for (uint32_t length = shrinking->count / 2; length > 2; length /= 2) {
        for (uint32_t place = 0; place + length <= shrinking->count;) {
            if (!shrink_cut(shrinking, place, length, 0, 0)) {
                place += length;
            }
        }
    }
}

/* Leave out one after the other, those of the least weight first, the last first. Returns: true:
 * something is. */
static bool shrink_finely(struct shrinking *shrinking)
{
    bool changed = false;

    for (enum weight weight = WEIGHT_FAULT; weight < WEIGHTS; weight++) {
        for (uint32_t place = shrinking->count; place > 0;) {
            place--;
            if (deviation_weight(shrinking, &shrinking->best[place]) == weight &&
                (shrink_at(shrinking, place) ||
                 (weight == WEIGHT_FAULT && shrink_fault(shrinking, place)))) {
                changed = true;
                place = place < shrinking->count ? place + 1 : shrinking->count;
            }
        }
    }
    return changed;
}

int shrink(const struct shrink *how, struct deviation *list, uint32_t *count)
{
    struct shrinking shrinking = {
        .how = how,
        .best = list,
        .cost = UINT32_MAX,
        .trial = malloc((*count + 1) * sizeof(list[0])),
        .capacity = *count,
    };

    if (shrinking.trial == NULL) {
        return -ENOMEM;
    }
    memcpy(shrinking.trial, list, *count * sizeof(list[0]));
    if (!shrink_try(&shrinking, *count)) {
        free(shrinking.trial);
        return SHRINK_PASSES;
    }
    shrink_coarsely(&shrinking);
    while (shrink_finely(&shrinking)) {
    }
    free(shrinking.trial);
    *count = shrinking.count;
    return shrinking.trials == how->trials_max ? SHRINK_CUT : 0;
}
