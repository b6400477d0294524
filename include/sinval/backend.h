/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Backends: the participants, one slot each.
 *
 * A backend is alive as long as the thread that attached it lives: it holds a robust mutex, its
 * life lock, which the kernel marks when that thread ends in whatever way. Nobody needs its pid,
 * /proc or its parent to find out, and a reused pid fools nobody. What a dead backend held, had
 * promised to send, or was asked to do is taken over by whoever notices first (K1 to K5).
 *
 * A struct sv_backend is used by the thread that attached it, and by its signal handler. It does
 * not survive fork: a child attaches for itself.
 *
 * Design: src/sync/slot.c (life and death), src/cache/backend.c (attach and detach).
 */
#ifndef SINVAL_BACKEND_H
#define SINVAL_BACKEND_H

#include "sinval/segment.h"

/* How to attach; all zero is an ordinary backend that takes no signal. */
struct sv_backend_options {
    bool send_only;      /* sends, never reads: holds nothing back (PostgreSQL: sendOnly) */
    int signal_number;   /* the one signal this backend may be woken with (SIGUSR1 is customary);
                            0: none, it is then woken through its latch alone */
    uint32_t database;   /* messages of other databases are skipped, 0 (shared) ones never */
    bool discard_caches; /* every accept discards everything (PostgreSQL: debug_discard_caches) */
};

/*
 * Take a slot and join the queue at its end (PostgreSQL: InitProcess, SharedInvalBackendInit).
 *
 * The dead are settled on the way, and their slots reclaimed. After success nothing in the queue,
 * lock and latch calls of this backend can fail for want of anything.
 *
 * Returns:  0         *self is attached.
 *           SV_FULL   all backends_max slots are taken by the living, or were for 100 ms by who is
 *                     leaving or settles the dead.
 *           -ENOMEM, -EINVAL (a signal number that cannot be caught), -SV_ECORRUPT
 * Blocks:   while write_lock is held by the living (lwlock.h).
 * Signals:  with a signal_number, its handler is installed for the process, and stays: a signal may
 *           be under way to a backend that has just detached, and then does nothing.
 */
SV_API SV_NODISCARD int sv_backend_attach(struct sv_segment *segment,
                                          const struct sv_backend_options *options,
                                          struct sv_backend **self);

/*
 * Leave: roll back an open transaction, pass on a catchup, free the slot and *self.
 *
 * Locks:    the caller holds none.
 */
SV_API void sv_backend_detach(struct sv_backend *self);

/* The slot number, stable until detach. */
SV_API uint32_t sv_backend_slot(const struct sv_backend *self);

/* The segment it is attached to. */
SV_API struct sv_segment *sv_backend_segment(const struct sv_backend *self);

/*
 * A virtual transaction id: the slot, and a local number that never repeats within a slot, whoever
 * occupies it (PostgreSQL: VirtualTransactionId; LocalTransactionId continues through nextLXID).
 */
struct sv_transaction_id {
    uint32_t slot;
    uint64_t local; /* 0: none */
};

/* Draw the next id. The number is used up even if the backend dies at once. */
SV_API struct sv_transaction_id sv_transaction_id_next(struct sv_backend *self);

/*
 * Look for dead backends and settle what they left, all slots (a postmaster's and a test's tool;
 * ordinary calls do it as they go: transaction.h, H5; src/queue/settle.c).
 *
 * Returns:  how many were settled.
 * Locks:    the caller holds none.
 */
SV_API uint32_t sv_backend_settle_dead(struct sv_segment *segment);

#endif
