/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The crash sweep: an execution once more for each access in it, before which its backend dies.
 *
 * Up to there it is the same. Then whoever lives goes on in the order they had, as far as they can:
 * the dead takes no steps, and the others may have to take some that they did not.
 */
#ifndef SINVAL_FAULTS_EXPLORE_SWEEP_H
#define SINVAL_FAULTS_EXPLORE_SWEEP_H

#include "faults/explore/deviation.h"

/*
 * In out, room for count + 1: the list, but for one more step, death.at, which is death.target's.
 */
static inline void sweep_list(const struct deviation *list, uint32_t count, struct deviation death,
                              struct deviation *out)
{
    uint32_t i = 0;

    while (i < count && !(list[i].kind == DEVIATION_PICK && list[i].at >= death.at)) {
        out[i] = list[i];
        i++;
    }
    out[i] = death;
    for (; i < count; i++) {
        out[i + 1] = list[i];
        out[i + 1].at += list[i].kind == DEVIATION_PICK; /* the death is a step, too */
    }
}

#endif
