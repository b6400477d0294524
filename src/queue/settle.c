/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Settling: the second stage of recovery (the first: src/sync/slot.c).
 *
 * The settler takes the dead one's life lock and plays it: under a backend that names the dead
 * slot, it does what the dead would have done, with the same code. It needs no slot of its own, so
 * a postmaster, a first attacher, a monitor can all settle. If it dies, the life lock is
 * owner-dead again, with the locks it took naming the dead slot: the next one starts over.
 *
 *   1. A catchup that the dead may not have sent is sent (again): before anything that may clean up
 *      and note the next one, as there is room for one note.
 *   2. The intent is sent again, then withdrawn.
 *   3. It leaves the queue.
 *   4. It may have held the baton, also if it had read everything and is not marked as signaled any
 *      more: cleanup passes it on, and does it again for a settler that died in between.
 *   5. The slot is free; its local transaction id and its counters go on.
 * Each step leaves its trace in the slot only when it is complete, so it can be done again.
 *
 * sv_queue_depart is steps 3 and 4, and serves those who leave alive as well.
 *
 * Who looks, and so how long a half-finished commit may last (transaction.h):
 *   whoever attaches, at every slot (src/cache/backend.c); so does a postmaster when a child ends;
 *   whoever waits on its latch, or begins a transaction, at every slot each 100 ms: whatever that
 *   backend did before, the first begin that comes 100 ms after a death finds it;
 *   whoever accepts, the same, but it asks the clock only each 128th time: an accept that has
 *   nothing to do costs a few loads, a look at the clock ten times that;
 *   both look at one slot more often than that (sv_patrol), which is cheap and mostly sooner.
 * Nobody settles while it holds a lock. A settler that is stopped is waited for like any other.
 */
#include "base/point.h"
#include "queue/queue.h"
#include "sync/check.h"
#include "sync/procsignal.h"

/*
 * Must the baton be passed on? It is also with who has read everything since it was asked to, and
 * has not run cleanup yet; whether that is so, the dead keeps to itself.
 */
static bool may_hold_baton(const struct sv_backend *self)
{
    return self->ghost || sv_load_relaxed32(&self->slot->signaled) != 0 ||
           sv_procsignal_pending(self, SV_REASON_CATCHUP);
}

void sv_queue_depart(struct sv_backend *self)
{
    struct sv_slot *slot = self->slot;
    sv_queue_retire(self);
    if (may_hold_baton(self)) {
        sv_queue_cleanup(self, 0);
        sv_store_release32(&slot->signaled, 0);
    }
}

/* Steps 1 to 5, under the dead one's life lock. */
static void settle_as(struct sv_backend *ghost)
{
    struct sv_slot *slot = ghost->slot;
    SV_POINT(recover_slot_settle);
    const uint32_t target = sv_load_acquire32(&slot->catchup_target);
    if (target != 0 && target <= ghost->segment->config.backends_max) {
        (void)!sv_procsignal_send_to(ghost->segment, target - 1, SV_REASON_CATCHUP);
    }
    sv_store_release32(&slot->catchup_target, 0);
    sv_intent_resend(ghost);
    sv_queue_depart(ghost);
    sv_stat_add(slot, SV_STAT_slots_settled, 1);
    SV_POINT(recover_slot_free);
    sv_slot_free(ghost->segment, ghost->slot_index);
}

bool sv_settle(struct sv_segment *segment, uint32_t slot, const struct sv_backend *settler)
{
    if (sv_slot_test(segment, slot) != SV_SLOT_UNSETTLED ||
        !sv_slot_take_unsettled(segment, slot)) {
        return false;
    }
    struct sv_backend ghost = {
        .segment = segment,
        .slot = sv_segment_slot(segment, slot),
        .slot_index = slot,
        .ghost = true,
        .settler = settler,
    };
    settle_as(&ghost);
    return true;
}

static uint32_t settle_all(struct sv_segment *segment, const struct sv_backend *settler)
{
    uint32_t count = 0;
    const uint32_t used = sv_segment_slots_used(segment);
    for (uint32_t i = 0; i < used; i++) {
        count += sv_settle(segment, i, settler);
    }
    return count;
}

uint32_t sv_backend_settle_dead(struct sv_segment *segment)
{
    return settle_all(segment, NULL);
}

bool sv_patrol_if_due(struct sv_backend *self)
{
    const uint64_t now_ns = sv_os_now_ns();
    if (now_ns - self->patrolled_ns < SV_RECHECK_NS || sv_lwlock_any_held(self)) {
        return false;
    }
    self->patrolled_ns = now_ns; /* who dies from here on is the next look's */
    sv_check_own(self, SV_LOCK_COUNT);
    (void)settle_all(self->segment, self);
    return true;
}

void sv_patrol(struct sv_backend *self)
{
    if (sv_patrol_if_due(self) || sv_lwlock_any_held(self)) {
        return;
    }
    const uint32_t used = sv_segment_slots_used(self->segment);
    self->patrol = self->patrol + 1 < used ? self->patrol + 1 : 0;
    if (self->patrol != self->slot_index) {
        (void)sv_settle(self->segment, self->patrol, self);
    }
}
