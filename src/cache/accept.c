/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Accepting: three phases, so that no user's code runs while messages are read (PostgreSQL:
 * AcceptInvalidationMessages, LocalExecuteInvalidationMessage, InvalidateSystemCaches).
 *
 * PostgreSQL calls back, rebuilds and reads in one loop. An error in the middle loses what has been
 * read and not done; a nested accept finds an outer one half done; a reset that leads to a rebuild
 * that is reset again recurses until the stack is full. Here:
 *
 *   1  Every message there is is read, marked in catcaches, relcache and whatever is being loaded
 *      or built, and noted as an event (events.c). No user's code. A catchup is relayed.
 *   2  Callbacks are told of events, one at a time. (events.c)
 *   3  Pinned, invalid relations are rebuilt in place. (relcache.c)
 *
 * Invariants:
 *   A1  after phase 1 no cache holds anything that a message published before the call made stale:
 *       also after a nested call, and also if the call then returns an error.
 *   A2  phases 2 and 3 run in the outermost call only, so the depth never exceeds two: a nested
 *       call runs no user's code that could nest again.
 *   A3  what phases 2 and 3 have not done is still noted when they return an error; `work` says so
 *       and keeps the next call from its fast path.
 *   A4  every loop is bounded. Phase 1 by the capacity: what was published before the call is at
 *       most that many messages away, or lost by a reset, which is a jump over all of them. Phases
 *       2 and 3 by what is there when each begins, and together by SV_REPEATS_MAX rounds: callbacks
 *       and builds that make new work for ever leave it to the next call.
 *
 * The nothing-to-do case is a few loads of words that are in this processor's cache: the count of
 * published messages, the flags of reasons, and what this backend keeps itself.
 */
#include <errno.h>

#include "base/point.h"
#include "cache/inval.h"
#include "queue/queue.h"
#include "sync/procsignal.h"

#define SV_BATCH        64  /* messages read at a time */
#define SV_PATROL_EVERY 128 /* accepts; a power of two */

/* ---- phase 1 ------------------------------------------------------------------------------- */

void sv_inval_reset(struct sv_backend *self)
{
    sv_catcache_invalidate_all(self);
    sv_relcache_invalidate(self, 0);
    sv_events_reset(&self->inval->events);
    self->inval->work = true;
}

void sv_inval_apply(struct sv_backend *self, const struct sv_message *message)
{
    switch (message->kind) {
    case SV_MESSAGE_CATCACHE:
        sv_catcache_invalidate(self, message->catcache.cache, message->catcache.hash);
        break;
    case SV_MESSAGE_CATALOG:
        sv_catcache_invalidate_relation(self, message->relation.relation);
        break;
    case SV_MESSAGE_RELCACHE:
        sv_relcache_invalidate(self, message->relation.relation);
        break;
    case SV_MESSAGE_SMGR:
    case SV_MESSAGE_RELMAP:
    case SV_MESSAGE_SNAPSHOT:
    case SV_MESSAGE_APPLICATION:
        break;
    default: /* of a newer library, or corrupt: it may mean anything */
        sv_inval_reset(self);
        return;
    }
    if (sv_events_wanted(&self->inval->events, message->kind)) {
        sv_events_add(&self->inval->events, message);
        self->inval->work = true;
    }
}

static void apply_batch(struct sv_backend *self, const struct sv_message *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        SV_POINT(accept_message_before);
        if (batch[i].database == 0 || batch[i].database == self->database) {
            sv_inval_apply(self, &batch[i]);
        }
    }
}

/* [A1] [A4] Returns: whether it saw the end. */
static bool drain(struct sv_backend *self)
{
    struct sv_message batch[SV_BATCH];
    uint32_t count;
    for (uint32_t done = 0; done <= self->segment->config.capacity; done += SV_BATCH) {
        if (sv_queue_read(self, batch, SV_BATCH, &count) == SV_RESET) {
            sv_inval_reset(self);
            return true; /* everything older is dealt with */
        }
        apply_batch(self, batch, count);
        if (count < SV_BATCH) {
            return true;
        }
    }
    return false;
}

/*
 * Was a catchup asked for? Taken before the queue is drained: one that is asked for meanwhile may
 * be for what comes after, and stays for the next time.
 */
static bool take_catchup(struct sv_backend *self)
{
    return sv_procsignal_pending(self, SV_REASON_CATCHUP) &&
           sv_procsignal_take(self, SV_REASON_CATCHUP);
}

/* Who was asked to catch up and has, hands the baton on. */
static void relay(struct sv_backend *self)
{
    const struct sv_atomic64 *sent = &self->slot->stats[SV_STAT_catchups_sent];
    const uint64_t sent_before = sv_load_relaxed64(sent);
    sv_queue_cleanup(self, 0);
    sv_stat_add(self->slot, SV_STAT_catchups_served, 1);
    sv_stat_add(self->slot, SV_STAT_relays, sv_load_relaxed64(sent) - sent_before);
}

/* Phase 1. Who has not caught up yet is still asked to. */
static void catch_up(struct sv_backend *self)
{
    const bool asked = take_catchup(self);
    const bool caught_up = self->send_only || drain(self);
    if (asked && caught_up) {
        relay(self);
    } else if (asked) {
        (void)sv_fetch_or_seq32(&self->pending, UINT32_C(1) << SV_REASON_CATCHUP);
    }
}

/* ---- phases 2 and 3 ------------------------------------------------------------------------- */

static bool work_left(const struct sv_backend *self)
{
    return sv_events_pending(&self->inval->events) || sv_relcache_stale(self);
}

int sv_inval_finish(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    sv_assert(inval->depth == 1 || inval->depth == 2, "slot %u at depth %u", self->slot_index,
              inval->depth);
    if (inval->depth == 2 || !inval->work) {
        return 0; /* [A2] */
    }
    int result = 0;
    for (uint32_t round = 0; round < SV_REPEATS_MAX && result == 0 && work_left(self); round++) {
        result = sv_events_run(self, &inval->events);
        if (result == 0) {
            result = sv_relcache_rebuild(self);
        }
    }
    inval->work = self->discard_caches || work_left(self); /* [A3] */
    return result;
}

/* ---- the calls ------------------------------------------------------------------------------ */

static int accept_all(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    inval->depth++;
    if (self->accepts % SV_PATROL_EVERY == 0) {
        sv_patrol(self);
    }
    catch_up(self);
    if (self->discard_caches && inval->depth == 1) {
        sv_inval_reset(self);
    }
    const int result = sv_inval_finish(self);
    inval->depth--;
    return result;
}

static bool catchup_pending(const struct sv_backend *self)
{
    const uint32_t reasons =
        sv_load_relaxed32(&self->slot->reasons) | sv_load_relaxed32(&self->pending);
    return (reasons & UINT32_C(1) << SV_REASON_CATCHUP) != 0;
}

int sv_accept_messages(struct sv_backend *self)
{
    sv_inval_assert_unlocked(self);
    if (++self->accepts % SV_PATROL_EVERY != 0 && (self->send_only || sv_queue_empty(self)) &&
        !self->inval->work && !catchup_pending(self)) {
        return 0;
    }
    return accept_all(self);
}

int sv_catchup_serve(struct sv_backend *self)
{
    sv_inval_assert_unlocked(self);
    /* The mark has been taken: set again, it is relay's, or is still there if there is more to read. */
    (void)sv_fetch_or_seq32(&self->pending, UINT32_C(1) << SV_REASON_CATCHUP);
    return accept_all(self);
}

int sv_callback_register(struct sv_backend *self, enum sv_message_kind kind,
                         int (*callback)(struct sv_backend *self, const struct sv_message *message,
                                         void *argument),
                         void *argument)
{
    struct sv_events *events = &self->inval->events;
    sv_assert(kind > 0 && kind < SV_MESSAGE_KIND_END, "there is no message of kind %d", (int)kind);
    if (events->callback_count == SV_CALLBACKS_MAX) {
        return SV_FULL;
    }
    events->callbacks[events->callback_count++] =
        (struct sv_callback){.function = callback, .argument = argument, .kind = kind};
    events->kinds |= UINT32_C(1) << kind;
    return 0;
}
