/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * An execution as one word, which repeats it to the last access on every machine.
 *
 *     explore.ring-4.AxkCBQM.9f2c01d45e8b7a36-1a2b3c4d
 *     explore.ring-4.pct.s1n42d3k120v1a17.9f2c01d45e8b7a36-1a2b3c4d
 *     explore.ring-4_3_1.AxkCBQM.9f2c01d45e8b7a36-1a2b3c4d
 *
 * The world, perhaps with fewer operations of each backend; what the execution did other than by
 * default (deviation.h), base64url, or the strategy that chose it, with its seed, the number of the
 * execution, what was learned, and the deaths; the hash of all its events; a CRC-32 of all that.
 * (Tokens of runs on real processes: faults/token.h.)
 */
#ifndef SINVAL_FAULTS_EXPLORE_WORD_H
#define SINVAL_FAULTS_EXPLORE_WORD_H

#include "faults/explore/deviation.h"
#include "faults/explore/world.h"

#define WORD_NAME_MAX       32 /* of a strategy */
#define WORD_WORLD_MAX      128
#define WORD_PREFIX         "explore."
#define WORD_DEVIATIONS_MAX 4096
#define WORD_MAX            (WORD_DEVIATIONS_MAX * 14 + 128) /* bytes, with the terminator */

struct word {
    const struct world_kind *world;
    uint32_t limits[WORLD_BACKENDS_MAX]; /* as struct world */
    struct deviation deviations[WORD_DEVIATIONS_MAX];
    uint32_t count;
    bool seeded; /* by what follows, and not by deviations */
    struct strategy_recipe recipe;
    struct machine_faults faults;
    uint64_t hash;
};

void word_encode(const struct word *word, char text[WORD_MAX]);

/* Returns: 0; -EINVAL, and message says why. */
SV_NODISCARD int word_decode(const char *text, struct word *word, char *message, size_t size);

#endif
