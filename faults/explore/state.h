/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * States: has all that can follow from here been seen already?
 *
 * A search asks for the hash of the state before a step. It covers everything that decides what can
 * follow, so from two states of the same hash the same can follow: but for accidents of 64 bits, of
 * which a search through n states meets one with a chance of n^2 / 2^65 (ten million states: 3 in a
 * million).
 *
 * Why it covers that: state.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_STATE_H
#define SINVAL_FAULTS_EXPLORE_STATE_H

#include "faults/explore/machine_own.h"

/* The segment is what it is now at the beginning of each execution. Returns: 0; -ENOMEM. */
SV_NODISCARD int state_keep(void);
void state_free(void);

/* It is so now. */
void state_set_back(void);

/* That part of it is about to change; and parts that nobody tells of, as steps go by unasked. */
void state_change(uint32_t offset, uint32_t bytes);
void state_change_untold(void);

/* Has what a world keeps beside the segment changed since this was asked last? */
bool state_noted(void);

/* The state now, while it is asked who goes on. As explore_choice.state. */
uint64_t state_hash(const struct explore_choice *choice);

/* Who runs is about to make that access, and will know what is there. */
void state_learn_access(uint8_t kind, uint32_t offset, uint32_t bytes);

/* Who runs has been told that. */
static inline void state_learn(uint64_t value)
{
    uint64_t *told = &machine.told[machine.self];

    *told = (*told ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    *told ^= *told >> 32;
}

#endif
