/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Once more: an execution as a word says it, and whether it was the same to the last step.
 */
#ifndef SINVAL_FAULTS_EXPLORE_AGAIN_H
#define SINVAL_FAULTS_EXPLORE_AGAIN_H

#include "faults/explore/word.h"

/* Carry a word out. recorder may be NULL. Returns: 0; -ENOMEM, -EINVAL: nothing was. */
SV_NODISCARD int again(struct world *world, const struct word *word, struct recorder *recorder,
                       struct machine_result *result);

/* What an execution did, step by step. */
struct again_log {
    struct machine_event *events;
    uint64_t steps;
    uint64_t capacity;
};

/* Keep the last execution. Owns: the caller frees. Returns: 0; -ENOMEM. */
SV_NODISCARD int again_keep(struct again_log *log, const struct machine_result *result);
void again_free(struct again_log *log);

/*
 * Was the last execution the one that is kept? Returns: false: it was another, and text says from
 * which step on, and what each did there.
 */
bool again_same(const struct again_log *log, const struct machine_result *result,
                const struct world *world, char *text, size_t size);

#endif
