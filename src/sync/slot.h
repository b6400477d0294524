/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A participant, and the life and death of its slot.
 *
 * Every function here that finds a life lock owner-dead holds it from then on, and is the one and
 * only recoverer of that slot until it lets go. Design: src/sync/slot.c.
 */
#ifndef SINVAL_SYNC_SLOT_H
#define SINVAL_SYNC_SLOT_H

#include "shm/segment.h"
#include "sinval/backend.h"

struct sv_inval; /* src/cache: transactions, caches, callbacks of this backend */

struct sv_interrupt_callback {
    int (*function)(struct sv_backend *self, void *argument);
    void *argument;
};

/* A participant: private to its thread. A ghost plays a dead one, to settle its slot. */
struct sv_backend {
    struct sv_segment *segment;
    struct sv_slot *slot;
    uint32_t slot_index;
    bool ghost;
    const struct sv_backend *settler; /* of a ghost: who plays it; NULL: one without a slot */
    bool send_only;
    bool discard_caches;
    int signal_number;
    uint32_t database;

    uint32_t held[SV_LOCK_MODE_COUNT]; /* bit per enum sv_lock */
    uint32_t intent;                   /* enum sv_intent_phase; what its slot should say */
    uint32_t intent_count;             /* messages in its intent */
    uint64_t seen;         /* the queue's published count when this backend last drained it */
    uint32_t patrol;       /* next slot to look at for a death */
    uint64_t patrolled_ns; /* when it last looked at all of them */
    uint32_t accepts;      /* calls of accept, for the patrol's pace */

    struct sv_atomic32 pending; /* bit per enum sv_reason: what the handler found */
    struct sv_interrupt_callback interrupts[SV_REASON_COUNT];

    uint32_t serving; /* bit per enum sv_reason whose work is under way: not begun again inside */

    struct sv_inval *inval;               /* made at attach, freed at detach, by src/cache */
    uint32_t tid;                         /* of the thread that attached it */
    struct sv_atomic_pointer thread_next; /* the other backends of that thread, for the handler */
};

/*
 * Take a free slot: its life lock is held, phase CLAIMED, words clear, ids filled in. Dead slots
 * met on the way are recovered (stage one) but not settled; the caller settles and tries again.
 *
 * Returns: 0 and *index; SV_BUSY: full, but some are to be settled, or about to be free; SV_FULL;
 *          -SV_ECORRUPT.
 */
SV_NODISCARD int sv_slot_claim(struct sv_segment *segment, uint32_t *index);

/* Give it back: clears the words, phase FREE, life lock released. */
void sv_slot_free(struct sv_segment *segment, uint32_t index);

/* What is known of a slot's occupant. */
enum sv_slot_life {
    SV_SLOT_LIVING,    /* or being recovered by somebody living */
    SV_SLOT_EMPTY,     /* free */
    SV_SLOT_UNSETTLED, /* dead, its locks released */
};

/*
 * Is its occupant alive? Finding it dead, runs stage one of the recovery at once, whatever locks
 * the caller holds: repairs and releases what the dead held, so that UNSETTLED is the answer.
 */
enum sv_slot_life sv_slot_test(struct sv_segment *segment, uint32_t index);

/* The same for a slot that a lock names: what the slot says of itself is not enough. */
enum sv_slot_life sv_slot_test_holder(struct sv_segment *segment, uint32_t index);

/*
 * Become the recoverer of an unsettled slot. Returns: true, and its life lock is held; false if
 * there is nothing to settle or somebody else does it.
 */
bool sv_slot_take_unsettled(struct sv_segment *segment, uint32_t index);

/*
 * Look at every slot for a death, and settle the dead; once in 100 ms, however often it is called.
 * Defined above, in src/queue/settle.c, since settling sends messages.
 *
 * Returns: whether it was time, and no lock is held.
 */
bool sv_patrol_if_due(struct sv_backend *self);

#endif
