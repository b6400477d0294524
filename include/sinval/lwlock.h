/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * LWLocks: shared and exclusive locks that outlive their holders (PostgreSQL: lwlock.c).
 *
 * Each lock names its exclusive owner and has a word per slot for shared holders, so whoever
 * waits can always tell for whom, ask whether that one still lives, and take over from the dead:
 * the lock's repair runs first, then the lock is free again.
 *
 * A holder that is stopped (SIGSTOP) is alive: who needs its lock waits, asleep, until it is continued
 * or killed; a postmaster kills it where lock_hold_max_ms is set. What waits meanwhile:
 *     a writer, with write_lock             inserts, commits, cleanups, attaches, detaches
 *     a cleaner, with read_lock as well     these, and accepting what is new
 *     a reader, with read_lock shared       cleanups, and inserts that need room
 *     a committer, with the table's lock    searches that nothing cached answers; commits to the table
 *     a reader of the table, shared         commits to the table
 * Everything else goes on; so does, always, a search that is answered from a cache.
 *
 * Not recursive. Not async-signal-safe. Lock order: the order of enum sv_lock; an acquire against
 * it aborts.
 *
 * Design, hand-shake and ordering table: src/sync/lwlock.c.
 */
#ifndef SINVAL_LWLOCK_H
#define SINVAL_LWLOCK_H

#include "sinval/backend.h"

/* The locks of a segment, in lock order. */
enum sv_lock {
    SV_LOCK_APP_0, /* the application's own, first in order: held over calls unless they say "none" */
    SV_LOCK_APP_1,
    SV_LOCK_TABLE, /* rows of the table source */
    SV_LOCK_WRITE, /* one inserter at a time; exclusive only (SInvalWriteLock) */
    SV_LOCK_READ,  /* shared: one's own queue position; exclusive: anyone's (SInvalReadLock) */
    SV_LOCK_COUNT,
};

enum sv_lock_mode {
    SV_LOCK_SHARED,
    SV_LOCK_EXCLUSIVE,
    SV_LOCK_MODE_COUNT,
};

/*
 * Acquire; blocks while it is held in a conflicting mode by the living. A dead holder delays it by
 * one check of liveness, at most every 10 ms.
 *
 * Blocks:   yes. Signals handled meanwhile only set the latch.
 */
SV_API void sv_lwlock_acquire(struct sv_backend *self, enum sv_lock lock, enum sv_lock_mode mode);

/*
 * Acquire without waiting (PostgreSQL: LWLockConditionalAcquire).
 *
 * Returns:  0 acquired; SV_BUSY it is held, also when by the dead; or somebody else tries now.
 */
SV_API SV_NODISCARD int sv_lwlock_try_acquire(struct sv_backend *self, enum sv_lock lock,
                                              enum sv_lock_mode mode);

/* Release what this backend holds of it. */
SV_API void sv_lwlock_release(struct sv_backend *self, enum sv_lock lock);

/* Does this backend hold it, in that mode? (LWLockHeldByMeInMode) */
SV_API bool sv_lwlock_held(const struct sv_backend *self, enum sv_lock lock,
                           enum sv_lock_mode mode);

/*
 * Who holds it exclusively: a slot number, or SV_SLOT_NONE. True at some moment during the call.
 * shared_count, if not NULL, receives the number of shared holders seen.
 */
SV_API uint32_t sv_lwlock_owner(const struct sv_segment *segment, enum sv_lock lock,
                                uint32_t *shared_count);

/* "app_0", "table", "write", "read". */
SV_API const char *sv_lwlock_name(enum sv_lock lock);

/*
 * What to run when a holder of an application's lock has died holding it exclusively. It runs
 * while the lock still names the dead, may itself be killed anywhere and is then run again from
 * the start by the next survivor: it must be restartable. It takes no lock. Every process
 * registers the same function before its first backend attaches, also one that never uses the lock,
 * and one that only settles: who has none lets go of the lock unrepaired.
 */
SV_API void sv_lwlock_set_repair(struct sv_segment *segment, enum sv_lock lock,
                                 void (*repair)(void *argument), void *argument);

#endif
