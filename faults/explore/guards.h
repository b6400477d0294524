/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Guards: which locks each backend holds, in a search.
 *
 * Told by the core's annotations of its locks (src/base/annotate.h) and by the life locks of the
 * seam. A guard is held from when its lock is known to be held until before the step that gives it
 * back; of whoever is dead none counts. It is what a backend knows from its own steps: whether
 * others respect it is looked at, too. Two that hold one at a time have broken it, for good.
 */
#ifndef SINVAL_FAULTS_EXPLORE_GUARDS_H
#define SINVAL_FAULTS_EXPLORE_GUARDS_H

#include <stdbool.h>

/* Who runs holds that lock from now on; or does not any more. */
void explore_guard_take(const void *address, bool shared);
void explore_guard_leave(const void *address, bool shared);

#endif
