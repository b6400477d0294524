/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What lock words and slots cannot be, whoever is right about the rest.
 *
 * Design: src/sync/check.c.
 */
#ifndef SINVAL_SYNC_CHECK_H
#define SINVAL_SYNC_CHECK_H

#include "base/os.h"
#include "sync/slot.h"

/* What is wrong, in words. */
struct sv_finding {
    char text[160];
};

/*
 * A lock's words that self, which does not hold the lock, found in its way: the exclusive word, not
 * 0, or the shared word of a slot, not 0. Ends the process if nobody can have written that.
 */
void sv_check_exclusive_word(const struct sv_backend *self, enum sv_lock lock, uint32_t word);
void sv_check_shared_word(const struct sv_backend *self, enum sv_lock lock, uint32_t slot,
                          uint32_t word);

/*
 * A slot whose life lock the caller has just got, as `life` says, and which was found in `phase`.
 * Returns: false, and *finding, if it cannot be so.
 */
SV_NODISCARD bool sv_check_vacant(const struct sv_segment *segment, uint32_t slot, uint32_t phase,
                                  enum sv_life life, struct sv_finding *finding);

/*
 * What the segment says of self against what self knows: its slot, and every lock but `except`,
 * which it is about to get (SV_LOCK_COUNT: none); for a ghost also of who plays it. Ends the process
 * if they differ.
 */
void sv_check_own(const struct sv_backend *self, enum sv_lock except);

#endif
