/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * LWLocks inside the library: assertions, and what recovery does to the locks of the dead.
 */
#ifndef SINVAL_SYNC_LWLOCK_H
#define SINVAL_SYNC_LWLOCK_H

#include "base/assert.h"
#include "sinval/lwlock.h"
#include "sync/slot.h"

/* A lock as data: the same code serves all of them. */
struct sv_lock_class {
    const char *name;
    bool has_shared; /* may be taken shared: an exclusive taker must look at every slot */
    /* Put right what a dead exclusive owner left; restartable, takes no lock. May be NULL. */
    void (*repair)(struct sv_segment *segment);
};

/* Defined where all repairs are known: src/cache/backend.c. */
extern const struct sv_lock_class sv_lock_classes[SV_LOCK_COUNT];

/* Repair and release whatever the dead slot holds, of every lock. Its life lock is the caller's. */
void sv_lwlock_release_dead(struct sv_segment *segment, uint32_t dead);

#define sv_lwlock_assert_held(self, lock, mode)                                        \
    sv_assert(sv_lwlock_held(self, lock, mode), "slot %u lock %s", (self)->slot_index, \
              sv_lwlock_name(lock))

/* No lock at all is held: what settling and signalling need. */
#define sv_lwlock_assert_none_held(self) \
    sv_assert(!sv_lwlock_any_held(self), "slot %u", (self)->slot_index)

bool sv_lwlock_any_held(const struct sv_backend *self);

#endif
