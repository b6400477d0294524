/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * O3 at the step where it is broken: what must hold of the queue after every write to its numbers,
 * marks and members, also while somebody is in the middle of something, or has died there.
 *
 *   J1  a number is written under the lock that guards it, held by who writes, or left by a dead
 *       one.
 *   J2  published, and max_number, min_number and epoch as positions, never go back.
 *   J3  Q1, Q2 and Q3 among what is of one epoch; epochs differ only while write_lock and read_lock
 *       are both held.
 *   J4  Q4: the threshold is in its range.
 *
 * (Q1 to Q7, which hold when the locks are free: src/queue/queue.c.)
 */
#ifndef SINVAL_FAULTS_EXPLORE_STEP_JUDGE_H
#define SINVAL_FAULTS_EXPLORE_STEP_JUDGE_H

#include "faults/explore/world.h"

/* By granule of the segment: is what is written there judged? Owns: the caller frees. NULL: no
 * memory. */
uint8_t *step_judge_words(const struct world *world);

/* A struct machine_settings' judge; argument is the world. */
void step_judge(void *argument, const struct machine_change *change);

#endif
