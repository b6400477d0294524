/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Contention: which steps of a backend another one's can come in conflict with, as learned so far.
 *
 *     { { contention_of, contention_learn } at each step ...; if has_changed: forget, begin anew } ...
 *
 * Design: faults/explore/search_contention.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_SEARCH_CONTENTION_H
#define SINVAL_FAULTS_EXPLORE_SEARCH_CONTENTION_H

#include "faults/explore/strategy.h"

struct contention {
    uint64_t *users;    /* by object and kind: agents that did that to it */
    struct usage *uses; /* by object, kind and agent: under which locks */
    uint32_t objects;
    uint32_t agents;
    uint64_t broken;  /* locks that guard nothing */
    bool has_changed; /* a step that was said not to be contended turns out to be */
};

/* Owns: what contention_close frees. Returns: 0; -ENOMEM. */
SV_NODISCARD int contention_open(struct contention *contention, uint32_t objects, uint32_t agents);
void contention_close(struct contention *contention);

/* Is that next step of a backend contended, as far as is known? */
bool contention_of(const struct contention *contention, const struct explore_choice *choice,
                   const struct explore_step *step);

/* That next step of a backend is taken, or waited for. */
void contention_learn(struct contention *contention, const struct explore_choice *choice,
                      const struct explore_step *step);

/* What was said so far does not count any more; what was learned does. */
void contention_forget(struct contention *contention);

#endif
