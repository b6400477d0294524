/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Shrinking: an execution that fails, with fewer deviations.
 *
 * Faults are left out first, then answers of the environment, then switches, as long as what is
 * left fails in the same way. No deviation can be left out alone of what comes of it; there may be
 * a shorter list that is not part of this one.
 */
#ifndef SINVAL_FAULTS_EXPLORE_SHRINK_H
#define SINVAL_FAULTS_EXPLORE_SHRINK_H

#include "faults/explore/deviation.h"
#include "sinval/api.h"

struct shrink {
    /*
     * Repeat those deviations. If the same oracle fails as in the execution to shrink, list and
     * *count become what the execution really did, up to its failure: at most capacity. Returns:
     * does it?
     */
    bool (*fails)(void *argument, struct deviation *list, uint32_t *count, uint32_t capacity);
    void *argument;
    uint32_t backends;   /* agents from this number on are the environment's */
    uint32_t trials_max; /* executions */
};

/*
 * Shrink list, which fails, in place. Returns: 0; SHRINK_CUT: there were more than trials_max to
 * try; SHRINK_PASSES: it does not fail, nothing was done; -ENOMEM.
 */
SV_NODISCARD int shrink(const struct shrink *shrink, struct deviation *list, uint32_t *count);

#define SHRINK_CUT    1
#define SHRINK_PASSES 2

#endif
