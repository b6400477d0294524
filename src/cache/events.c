/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Events: callbacks run long after their messages have been read, and none is forgotten.
 *
 * PostgreSQL calls its callbacks while it goes through the messages, and moves on before it calls:
 * an error in one loses the rest of that message, or of a whole reset, for the session. Here a
 * message is first marked in all caches, then noted here; a callback runs when nothing is left to
 * be read, and only its success moves on.
 *
 * Invariants:
 *   E1  (oldest event, cursor) is the next (event, callback) to run; both move only after the
 *       callback has returned 0.
 *   E2  a callback gets a copy: it may accept, and thereby add events and move the ring.
 *   E3  a reset replaces all older events, since it says more than any of them. It has a new
 *       number, so a run that is inside a callback sees that its event is gone.
 *   E4  a run ends at what was pending when it began, so it ends whatever its callbacks do.
 *
 * The ring grows up to the capacity of the queue: who leaves more undone than that would have been
 * reset there, too.
 */
#include "cache/events.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

#define SV_EVENTS_MIN 64

int sv_events_create(struct sv_events *events, uint32_t size_max)
{
    events->size = SV_EVENTS_MIN;
    events->size_max = size_max > SV_EVENTS_MIN ? size_max : SV_EVENTS_MIN;
    events->ring = calloc(events->size, sizeof(*events->ring));
    return events->ring != NULL ? 0 : -ENOMEM;
}

void sv_events_destroy(struct sv_events *events)
{
    free(events->ring);
    events->ring = NULL;
}

static struct sv_message *event_at(struct sv_events *events, uint64_t number)
{
    return &events->ring[number & (events->size - 1)];
}

/* Twice the size. Returns: whether there is room now. */
static bool grow(struct sv_events *events)
{
    if (events->size >= events->size_max) {
        return false;
    }
    struct sv_message *ring = calloc((size_t)events->size * 2, sizeof(*ring));
    if (ring == NULL) {
        return false;
    }
    for (uint64_t n = events->taken; n != events->next; n++) {
        ring[n & (events->size * 2 - 1)] = *event_at(events, n);
    }
    free(events->ring);
    events->ring = ring;
    events->size *= 2;
    return true;
}

void sv_events_add(struct sv_events *events, const struct sv_message *message)
{
    if (events->next - events->taken >= events->size && !grow(events)) {
        sv_events_reset(events);
        return;
    }
    *event_at(events, events->next) = *message;
    events->next++;
}

void sv_events_reset(struct sv_events *events)
{
    if (events->callback_count == 0) {
        return;
    }
    events->taken = events->next; /* E3 */
    events->cursor = 0;
    *event_at(events, events->next) = (struct sv_message){.kind = SV_EVENT_RESET};
    events->next++;
}

/* Tell the callback under the cursor. Returns: 0, also if it is not concerned; what it returned. */
static int tell(struct sv_backend *self, const struct sv_events *events,
                const struct sv_message *event)
{
    const struct sv_callback callback = events->callbacks[events->cursor];
    const bool reset = event->kind == SV_EVENT_RESET;
    if (!reset && callback.kind != event->kind) {
        return 0;
    }
    const uint32_t level = sv_transaction_level(self);
    const int result = callback.function(self, reset ? NULL : event, callback.argument);
    sv_assert(sv_transaction_level(self) == level,
              "a callback for kind %d leaves %u levels of a transaction open, not %u",
              (int)callback.kind, sv_transaction_level(self), level);
    sv_assert(result <= 0, "a callback for kind %d returns the answer %d; 0 or -errno, please",
              (int)callback.kind, result);
    return result;
}

/* Tell all callbacks of the oldest event, and drop it. */
static int run_oldest(struct sv_backend *self, struct sv_events *events)
{
    const uint64_t number = events->taken;
    const struct sv_message event = *event_at(events, number); /* E2 */
    while (events->cursor < events->callback_count) {
        const int result = tell(self, events, &event);
        if (result != 0) {
            return result;
        }
        if (events->taken != number) { /* E3 */
            return 0;
        }
        events->cursor++; /* E1 */
    }
    events->taken++;
    events->cursor = 0;
    return 0;
}

int sv_events_run(struct sv_backend *self, struct sv_events *events)
{
    const uint64_t end = events->next; /* E4 */
    while (events->taken < end) {
        const int result = run_oldest(self, events);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}
