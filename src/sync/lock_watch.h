/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The lock watch: who holds a lock for longer than lock_hold_max_ms is killed.
 *
 * A backend that is alive but stopped, or lost in a loop, while it holds a lock stops everyone
 * else; nobody may take a lock from the living, so it is made dead, and then recovered like any
 * other. A postmaster watches; without one, or without the limit, nobody is killed.
 *
 * Design: src/sync/lock_watch.c.
 */
#ifndef SINVAL_SYNC_LOCK_WATCH_H
#define SINVAL_SYNC_LOCK_WATCH_H

#include "shm/segment.h"

struct sv_lock_watch;

/*
 * Start watching, if the configuration has a limit. Returns: 0; -ENOMEM.
 * From then on this process also looks while it waits for a lock itself, as when it settles.
 */
SV_NODISCARD int sv_lock_watch_start(struct sv_segment *segment);

/* Stop, also in a forked child, whose parent goes on; nothing if it was not started. */
void sv_lock_watch_stop(struct sv_segment *segment);

/*
 * Look at who holds what, at most every quarter of the limit, and kill who is over it.
 * Returns: nanoseconds until the next look is due; UINT64_MAX when nothing is watched.
 */
uint64_t sv_lock_watch_look(struct sv_segment *segment);

#endif
