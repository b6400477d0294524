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

/*
 * Since when is a lock held? Where a limit is configured, every acquire says so in the holder's
 * since_ns. Elsewhere an acquire reads no clock, and who goes to sleep because of a holder says that
 * it has been holding since then at least.
 *
 * note:       the waiter, before it sleeps. Returns: what it wrote; 0: somebody else has, or a limit
 *             is configured.
 * take_back:  the waiter, when that hold is over, so that it is not said of a later one.
 * forget:     the holder, or who recovers it, at a release that somebody may be waiting for.
 */
uint64_t sv_hold_note(struct sv_segment *segment, uint32_t holder, enum sv_lock lock);
void sv_hold_take_back(struct sv_segment *segment, uint32_t holder, enum sv_lock lock,
                       uint64_t noted_ns);
void sv_hold_forget(struct sv_segment *segment, uint32_t holder, enum sv_lock lock);

#endif
