/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue inside the library: joining, repair, settling the dead.
 */
#ifndef SINVAL_QUEUE_QUEUE_H
#define SINVAL_QUEUE_QUEUE_H

#include "sinval/queue.h"
#include "sync/lwlock.h"

/*
 * Join at the end: position is max_number, nothing unread (SharedInvalBackendInit).
 * Returns: 0; -SV_ECORRUPT: the queue's numbers cannot be right.
 */
SV_NODISCARD int sv_queue_join(struct sv_backend *self);

/*
 * Can that be what write_lock guards? One comparison of 64 bits tells whether the epochs are the same
 * and min_number <= max_number <= min_number + capacity. [Q1] [Q2] [Q5]
 */
static inline bool sv_queue_sound(const struct sv_segment *segment, uint64_t min, uint64_t max)
{
    return max - min <= segment->config.capacity && SV_POSITION_NUMBER(max) <= INT32_MAX;
}

/* The queue's numbers are not. */
_Noreturn void sv_queue_corrupt(const struct sv_segment *segment, uint64_t min, uint64_t max);

/* Leave it, but keep the mark of the baton; idempotent. */
void sv_queue_retire(struct sv_backend *self);

/* Leave it and pass the baton on: sv_backend_detach's and the settler's way out. */
void sv_queue_depart(struct sv_backend *self);

/*
 * Declare these besides what is declared, if anything is. More than intent_max: "reset everyone".
 */
void sv_intent_extend(struct sv_backend *self, const struct sv_message *messages, uint32_t count);

/* Withdraw all but the count messages that were declared first. */
void sv_intent_shorten(struct sv_backend *self, uint32_t count);

/* Send what the dead whom ghost plays had declared. */
void sv_intent_resend(struct sv_backend *ghost);

/* Cleanup with write_lock held; it is released and taken again if somebody is signaled. */
void sv_queue_cleanup_locked(struct sv_backend *self, uint32_t free_min);

/* The repairs of write_lock and read_lock: see the head of src/queue/repair.c. */
void sv_queue_repair_write(struct sv_segment *segment);
void sv_queue_repair_read(struct sv_segment *segment);

/* Lower every position to the queue's epoch that is not there yet. Restartable. */
void sv_queue_lower_all(struct sv_segment *segment);

/* Check Q1..Q7; the caller holds write_lock and read_lock. Returns: NULL, or which is broken. */
const char *sv_queue_check(const struct sv_segment *segment);

/*
 * Settle slot if its occupant is dead: send its intent, its catchup, pass on its baton, free it.
 * settler is who does it; NULL: one without a slot. Returns: true if it was settled by this call.
 */
bool sv_settle(struct sv_segment *segment, uint32_t slot, const struct sv_backend *settler);

/* Look at one more slot, round robin: the pace at which deaths are noticed without any wait. */
void sv_patrol(struct sv_backend *self);

#endif
