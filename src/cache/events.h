/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Events: what callbacks are still to be told of, oldest first.
 *
 * An event is a message that was marked in the caches, or a reset. It goes when the last callback
 * that it concerns has returned 0. Design and invariants E1..E4: src/cache/events.c.
 */
#ifndef SINVAL_CACHE_EVENTS_H
#define SINVAL_CACHE_EVENTS_H

#include "sinval/transaction.h"

#define SV_CALLBACKS_MAX 64

/* The kind of an event that is a reset: message NULL to every callback. */
#define SV_EVENT_RESET 0

struct sv_callback {
    int (*function)(struct sv_backend *self, const struct sv_message *message, void *argument);
    void *argument;
    enum sv_message_kind kind;
};

struct sv_events {
    struct sv_message *ring; /* event number n at n % size */
    uint32_t size;           /* a power of two */
    uint32_t size_max;
    uint64_t taken;  /* number of the oldest event */
    uint64_t next;   /* number the next one gets */
    uint32_t cursor; /* of the oldest: callbacks below this one have been told */
    uint32_t kinds;  /* bit per kind: there is a callback */
    uint32_t callback_count;
    struct sv_callback callbacks[SV_CALLBACKS_MAX];
};

/* At most size_max events are kept apart; more become a reset. Returns: 0; -ENOMEM. */
SV_NODISCARD int sv_events_create(struct sv_events *events, uint32_t size_max);
void sv_events_destroy(struct sv_events *events);

static inline bool sv_events_pending(const struct sv_events *events)
{
    return events->taken != events->next;
}

/* Does any callback want to know? */
static inline bool sv_events_wanted(const struct sv_events *events, enum sv_message_kind kind)
{
    return (events->kinds & UINT32_C(1) << kind) != 0;
}

/* Add one that is wanted. Never fails: without memory it becomes a reset. */
void sv_events_add(struct sv_events *events, const struct sv_message *message);

/* A reset: takes the place of all that were pending. */
void sv_events_reset(struct sv_events *events);

/*
 * Tell the callbacks of every event that is pending now; those that come up meanwhile wait for the
 * next call. Returns: 0; what a callback returned: it will be told of the same event again.
 */
SV_NODISCARD int sv_events_run(struct sv_backend *self, struct sv_events *events);

#endif
