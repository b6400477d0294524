/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A run's segment, made by creators that may die over it.
 *
 * Most runs make theirs in the supervisor, anonymously. A plan with a fault at segment/create/ has
 * it made under a name, by forked creators one after the other, each with the injector's context of
 * backend 0, until one is through. The name is gone as soon as the supervisor has attached; should
 * that be killed before, a janitor process removes it.
 */
#ifndef SINVAL_FAULTS_CREATOR_H
#define SINVAL_FAULTS_CREATOR_H

#include "faults/injector.h"
#include "faults/oracle.h"

/* Has this run a fault for creators? */
bool creator_wanted(const struct injector *injector);

/*
 * Make a segment of that configuration (a complete one) and attach to it. What each dead creator
 * leaves must be nothing, or recognised as unfinished (O6).
 *
 * Returns:  0         *segment is attached, and has no name any more.
 *           -EBADMSG  *finding says what was wrong with what a creator left behind.
 *           -errno    the environment.
 * Blocks:   forks and waits; the caller has no other child that ends meanwhile unnoticed.
 */
SV_NODISCARD int creator_make(const struct injector *injector, const struct sv_config *config,
                              struct sv_segment **segment, struct finding *finding);

#define CREATOR_NAME_MAX 32

/* The name that a supervisor of that pid uses meanwhile. */
void creator_name(int pid, char name[CREATOR_NAME_MAX]);

#endif
