/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Procsignal and latch inside the library.
 */
#ifndef SINVAL_SYNC_PROCSIGNAL_H
#define SINVAL_SYNC_PROCSIGNAL_H

#include "sinval/latch.h"
#include "sinval/procsignal.h"
#include "sync/slot.h"

/* A wait looks at its flags again at least this often, so that a lost signal costs time only. */
#define SV_RECHECK_NS UINT64_C(100000000)

/*
 * Make this thread's handler see self, install it if self takes a signal; from this call on self
 * takes part in barriers and signals may arrive. Leave before the slot is freed: a late signal
 * then finds no backend and does nothing.
 *
 * The caller has claimed the slot (sv_slot_claim): life lock held, ids stored, words clear. The
 * phase does not matter, ACTIVE may come before or after: presence and the barrier's generation
 * are one word, slot->barrier, see the head of procsignal.c. What the program reads of shared
 * state guarded by barriers it must read after this call.
 *
 * Returns: 0; -errno, and nothing was done.
 */
SV_NODISCARD int sv_procsignal_enter(struct sv_backend *self);
void sv_procsignal_leave(struct sv_backend *self);

/* Send without a self of one's own to count for: recovery does it. As sv_procsignal_send. */
SV_NODISCARD int sv_procsignal_send_to(struct sv_segment *segment, uint32_t slot,
                                       enum sv_reason reason);

/*
 * Signal the occupant of a slot, with no flag: its latch is set and it sleeps in a poll. Returns:
 * 0; -ESRCH nobody lives there. An occupant that takes no signal looks again by itself.
 */
int sv_procsignal_nudge(const struct sv_slot *slot);

/*
 * Set the latch, wake who sleeps in a wait. Returns: how its owner was found: SV_ASLEEP_IN_WAIT, and
 * it is awake now and will look at its flags; SV_ASLEEP_IN_POLL, and it has yet to be signaled.
 */
enum sv_sleep sv_latch_set_quietly(struct sv_slot *slot);

/* Is this reason pending, by handler or by flag? One load each; clears nothing. */
bool sv_procsignal_pending(const struct sv_backend *self, enum sv_reason reason);

/* Take it: returns whether it was pending, and clears it. */
bool sv_procsignal_take(struct sv_backend *self, enum sv_reason reason);

/*
 * What sv_process_interrupts does for a catchup: defined above, in src/cache/accept.c, since it
 * accepts messages.
 */
SV_NODISCARD int sv_catchup_serve(struct sv_backend *self);

#endif
