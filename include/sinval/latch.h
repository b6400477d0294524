/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Latches: wait without losing a wake-up (PostgreSQL: latch.c, WaitLatchOrSocket).
 *
 * Each backend owns one. The pattern is: reset, look for work, and only if there is none, wait.
 *
 *     for (;;) {
 *         sv_latch_reset(self);
 *         if (work_to_do())
 *             ...
 *         sv_latch_wait(self, &(struct sv_latch_wait){.timeout_ms = -1});
 *     }
 *
 * Design: src/sync/latch.c.
 */
#ifndef SINVAL_LATCH_H
#define SINVAL_LATCH_H

#include "sinval/backend.h"

/* What to wait for besides the latch itself, and what ended the wait. */
struct sv_latch_wait {
    int timeout_ms;  /* -1: none */
    int readable_fd; /* with wait_readable: wake when it can be read, has ended, or failed */
    bool wait_readable;
    bool wait_postmaster; /* wake when the postmaster is dead; at once if there is none */
    /* out, any combination: */
    bool is_set;
    bool timed_out;
    bool readable;
    bool postmaster_dead;
};

/*
 * Set the latch of a slot, from any process or thread; wakes its owner if it sleeps. An owner that
 * takes no signal and waits for more than its latch wakes within 100 ms. A set that comes after
 * its owner left may wake the next one in that slot for nothing.
 */
SV_API void sv_latch_set(struct sv_segment *segment, uint32_t slot);

/* Set one's own latch. Signals: async-signal-safe, in the thread that attached self. */
SV_API void sv_latch_set_own(struct sv_backend *self);

/* Reset one's own latch. What was done before a set is seen after the reset that follows it. */
SV_API void sv_latch_reset(struct sv_backend *self);

/*
 * Wait until the latch is set or one of the other things happens; returns at once if it already
 * has. Interrupts that arrived are processed before it returns, and also when they do not end the
 * wait (sv_process_interrupts). While it waits it settles what dead backends left, each 100 ms.
 * The timeout counts from the call, however often the wait is interrupted.
 *
 * Returns:  0       the out fields say what happened: all that is true, not only the first.
 *           -errno  of the poll, or of an interrupt's processing, whose reason stays pending; the
 *                   out fields are right as well.
 * Locks:    the caller holds none.
 */
SV_API SV_NODISCARD int sv_latch_wait(struct sv_backend *self, struct sv_latch_wait *wait);

#endif
