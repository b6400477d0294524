/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Bugs on purpose, one for each kind of report: what a tool does not say of these, it would not say
 * of the library either. Linked with programs that are made for it only.
 */
#ifndef SINVAL_TESTS_CANARY_BUGS_H
#define SINVAL_TESTS_CANARY_BUGS_H

#include "sinval/sinval.h"

/*
 * Do what the environment's SV_CANARY names:
 *
 *   none      nothing: whoever calls this passes
 *   overflow  a byte past the end of an allocation is written
 *   leak      allocations are forgotten
 *   shift     a number is shifted by more bits than it has
 *   race      two threads change a plain word
 *   branch    a decision hangs on a byte that was never set
 *   message   a byte that was never set goes into the segment (needs self)
 *
 * A name that it does not know ends the process with status 2.
 */
void canary_bug(struct sv_backend *self);

#endif
