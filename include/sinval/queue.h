/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The invalidation queue: one total order, many readers, bounded memory (PostgreSQL: sinvaladt.c).
 *
 * The ring keeps the newest `capacity` messages. A backend that falls further behind is *reset*:
 * it loses its place and must discard all it cached. Losing messages is normal; losing them
 * without being told is a bug. A laggard is first sent a *catchup*, one at a time; whoever caught
 * up runs cleanup, which sends the next.
 *
 * Most programs use sv_accept_messages and sv_transaction_commit (transaction.h) on top of it.
 *
 * Lock order: SV_LOCK_WRITE, then SV_LOCK_READ. Callers of this header hold neither.
 * Design, invariants Q1..Q7 and the ordering table: src/queue/queue.c.
 */
#ifndef SINVAL_QUEUE_H
#define SINVAL_QUEUE_H

#include "sinval/backend.h"
#include "sinval/message.h"

/*
 * Append count messages, in order, in groups of write_quantum (SIInsertDataEntries).
 *
 * Each group appears whole. Backends that block space are reset; at most one catchup is sent for
 * each cleanup on the way. If the caller dies inside, a prefix of whole groups was sent; who
 * needs all or nothing declares an intent first (sv_intent_declare).
 *
 * Locks:    takes write_lock; read_lock when it cleans up.
 * Blocks:   for those locks only, never for a reader.
 */
SV_API void sv_queue_insert(struct sv_backend *self, const struct sv_message *messages,
                            uint32_t count);

/*
 * Copy at most `capacity` unread messages, oldest first, into out[], which the caller owns
 * (SIGetDataEntries).
 *
 * Returns:  0         *count messages copied; *count < capacity means that was all, at some moment.
 *           SV_RESET  messages were lost, *count is 0: drop every cache, then read again.
 * Locks:    takes read_lock shared; touches no other backend's slot.
 * Signals:  not async-signal-safe; a handler sets the latch and the main loop reads.
 */
SV_API SV_NODISCARD int sv_queue_read(struct sv_backend *self, struct sv_message *out,
                                      uint32_t capacity, uint32_t *count);

/* Is there nothing to read? One load: no lock, no false "nothing". */
SV_API bool sv_queue_empty(const struct sv_backend *self);

/*
 * Make room: drop what everybody has read, reset who would keep fewer than free_min entries free,
 * send one catchup to the furthest behind who needs it, lower the numbers past the wraparound
 * (SICleanupQueue).
 *
 * Locks:    takes write_lock and read_lock; signals after releasing both.
 */
SV_API void sv_queue_cleanup(struct sv_backend *self, uint32_t free_min);

/* Mark every other backend, and this one, for reset (SIResetAll). */
SV_API void sv_queue_reset_all(struct sv_backend *self);

/*
 * Leave the queue but keep the slot (CleanupInvalidationState): what sv_backend_detach does, for
 * who plays several backends. Idempotent.
 */
SV_API void sv_queue_leave(struct sv_backend *self);

/*
 * Say what one is about to send, before committing to it: if this backend dies before it
 * withdraws the intent, whoever settles its slot sends these messages (again). More than
 * intent_max become "reset everyone". One intent at a time; nested calls are an error.
 */
SV_API void sv_intent_declare(struct sv_backend *self, const struct sv_message *messages,
                              uint32_t count);

/* The messages are sent, or will not be needed. */
SV_API void sv_intent_withdraw(struct sv_backend *self);

/* A look at the queue; numbers as PostgreSQL counts them. */
struct sv_queue_state {
    int64_t min_number;
    int64_t max_number;
    uint32_t next_threshold;
    uint32_t wraparounds;
    uint64_t published; /* moves whenever there is something new for anyone */
};

/* A look at a slot. */
struct sv_slot_state {
    uint32_t slot;
    bool in_use;
    bool in_queue;
    bool alive; /* tested: somebody holds its life lock, the backend or who settles it */
    bool to_be_settled;
    int32_t pid;
    int32_t tid;
    int32_t settler_tid; /* the thread that settles it; 0: nobody */
    int64_t next_number;
    uint32_t behind; /* messages; 0 for send-only and reset backends */
    bool reset;
    bool signaled;
    bool send_only;
    bool sleeping; /* in a latch wait */
    bool latch_set;
    uint32_t intent; /* messages declared; UINT32_MAX: reset everyone */
    uint64_t local_transaction_id;
    uint32_t waits_for_lock; /* enum sv_lock, or SV_SLOT_NONE */
    uint64_t waits_since_ns; /* CLOCK_MONOTONIC */
};

/*
 * Read them without locks, field by field: each field was true at some moment. Exact when nobody
 * else acts.
 */
SV_API void sv_queue_look(struct sv_segment *segment, struct sv_queue_state *state);
SV_API void sv_slot_look(struct sv_segment *segment, uint32_t slot, struct sv_slot_state *state);

/*
 * Set min, max, and all positions to number: only while the queue is empty and nobody else uses
 * it; a test's way to the wraparound.
 *
 * Returns:  0; -EINVAL if number is no multiple of nothing: above INT32_MAX - capacity; SV_BUSY.
 */
SV_API SV_NODISCARD int sv_queue_set_base(struct sv_backend *self, uint32_t number);

#endif
