/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The story of one execution: a line a step, with who took it, what it did to which word and saw
 * there, who had written that, and where it was in the code.
 */
#ifndef SINVAL_FAULTS_EXPLORE_STORY_H
#define SINVAL_FAULTS_EXPLORE_STORY_H

#include "faults/explore/world.h"

struct story;

/* NULL: no memory. Owns: the caller closes. */
struct story *story_open(const struct world *world);
void story_close(struct story *story);

/* As machine_watch wants it; argument is the story. */
void story_watch(void *argument, const struct machine_access *access);

/*
 * Tell the last execution, which was watched: all of it, or the steps that matter: on words that
 * one backend changes and another uses, sleeps and wakes, what the environment did.
 */
void story_tell(struct story *story, const struct machine_result *result, bool all);

#endif
