/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Slots: who is there, and what happens to the place of one who died.
 *
 * A slot belongs to whoever holds its life lock, and to nobody else:
 *
 *     FREE     --claim-->  CLAIMED  --attach done-->  ACTIVE  --detach-->  FREE
 *     CLAIMED, ACTIVE  --holder died, found by a test-->  DEAD  --settled-->  FREE
 *
 * The phase is written only by the holder, so a test that gets the lock reads a phase that cannot
 * change under it. Whoever's try finds the lock owner-dead holds it from then on; if the phase is
 * CLAIMED or ACTIVE, it buries the dead (stage one): repairs and releases every lock the dead
 * held, and only then says DEAD and lets go. If it dies first, the lock is owner-dead again with
 * the phase unchanged, and the next one starts over: stage one has no state of its own.
 *
 * A phase that there is not, or one of the living where nobody has lived, or a vacant slot that a lock
 * names, is rubbish (check.c). Claiming says so; elsewhere it ends the process.
 *
 * Stage one may run while its caller holds locks, since it takes none: it acts on locks that
 * still name the dead, which keeps everybody else out. Stage two (src/queue/settle.c) needs locks
 * and is done by whoever has none.
 *
 * Ordering: words of the slot are cleared before phase FREE (release, in sv_slot_free); the next
 * claimer gets them through the life lock itself, which is a mutex. slots_used is raised
 * (seq_cst) first of all: a slot that dies CLAIMED must be among those that are looked at, and it
 * must be counted before it can set a shared lock word (the hand-shake in lwlock.c).
 */
#include "sync/slot.h"

#include "base/assert.h"
#include "base/point.h"
#include "sync/check.h"
#include "sync/lwlock.h"

/* Every word of a slot that does not outlive its occupant. The life lock is the caller's. */
static void slot_clear(struct sv_slot *slot)
{
    sv_store_relaxed32(&slot->in_queue, 0);
    sv_store_relaxed32(&slot->send_only, 0);
    sv_store_relaxed32(&slot->reset, SV_RESET_NONE);
    sv_store_relaxed32(&slot->signaled, 0);
    sv_store_relaxed32(&slot->catchup_target, 0);
    sv_store_relaxed32(&slot->intent, SV_INTENT_NONE);
    sv_store_relaxed32(&slot->latch, 0);
    sv_store_relaxed32(&slot->sleep, SV_AWAKE);
    sv_store_relaxed32(&slot->reasons, 0);
    sv_store_relaxed32(&slot->waits_for_lock, 0);
    sv_store_relaxed64(&slot->waits_since_ns, 0);
    sv_store_relaxed64(&slot->barrier, 0);
    sv_store_relaxed32(&slot->barrier_waiter, 0);
    sv_store_relaxed32(&slot->signal_word, 0);
    sv_store_relaxed32(&slot->pid, 0);
    sv_store_relaxed32(&slot->tid, 0);
}

/* From now on scans look at this slot. */
static void slot_count_used(struct sv_segment *segment, uint32_t index)
{
    struct sv_atomic32 *used = &segment->header->slots_used;
    uint32_t seen = sv_load_relaxed32(used);
    while (seen <= index && !sv_compare_swap_seq32(used, &seen, index + 1)) {
    }
}

/* Stage one: the caller holds the dead one's life lock, and lets go of it here. */
static void slot_bury(struct sv_segment *segment, uint32_t index)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    SV_POINT(recover_slot_found);
    sv_lwlock_release_dead(segment, index);
    sv_store_relaxed32(&slot->sleep, SV_AWAKE);
    sv_store_relaxed32(&slot->waits_for_lock, 0);
    sv_store_release32(&slot->phase, SV_SLOT_DEAD);
    sv_os_life_release(&slot->life);
}

/*
 * Look at a slot whose life lock was just got. Returns: 0, and *found is EMPTY, and it is still held;
 * or UNSETTLED, and it is released, with every lock of the dead free; -SV_ECORRUPT, and it is still
 * held. A settler that died (phase DEAD, the lock owner-dead) may have taken locks in the name of the
 * dead, so it is buried like the dead.
 */
static int slot_look(struct sv_segment *segment, uint32_t index, enum sv_life life,
                     enum sv_slot_life *found, struct sv_finding *finding)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    const uint32_t phase = sv_load_acquire32(&slot->phase);
    if (!sv_check_vacant(segment, index, phase, life, finding)) {
        return -SV_ECORRUPT;
    }
    *found = phase == SV_SLOT_FREE ? SV_SLOT_EMPTY : SV_SLOT_UNSETTLED;
    if (phase == SV_SLOT_DEAD && life != SV_LIFE_DEAD) {
        sv_os_life_release(&slot->life);
    } else if (phase != SV_SLOT_FREE) {
        slot_bury(segment, index);
    }
    return 0;
}

/* The same for who cannot say that something is wrong. */
static enum sv_slot_life slot_judge(struct sv_segment *segment, uint32_t index, enum sv_life life)
{
    enum sv_slot_life found = SV_SLOT_EMPTY;
    struct sv_finding finding;
    if (slot_look(segment, index, life, &found, &finding) != 0) {
        sv_segment_corrupt(segment, "%s", finding.text);
    }
    return found;
}

/*
 * Was the life lock, found busy, held by another than an occupant: by who settles it, comes, is leaving,
 * or just looked at it? That one may have let go meanwhile; then nobody holds it, and it is free.
 */
static bool changes_hands(const struct sv_slot *slot)
{
    const uint32_t holder = sv_os_life_holder(&slot->life);
    return holder == 0 || holder != sv_load_acquire32(&slot->tid);
}

int sv_slot_claim(struct sv_segment *segment, uint32_t *index)
{
    bool some_unsettled = false;
    for (uint32_t i = 0; i < segment->config.backends_max; i++) {
        struct sv_slot *slot = sv_segment_slot(segment, i);
        const enum sv_life life = sv_os_life_try(&slot->life);
        if (life == SV_LIFE_BUSY) {
            some_unsettled |= changes_hands(slot);
            continue;
        }
        enum sv_slot_life found = SV_SLOT_EMPTY;
        struct sv_finding finding;
        if (slot_look(segment, i, life, &found, &finding) != 0) {
            sv_os_life_release(&slot->life);
            return -SV_ECORRUPT;
        }
        slot_count_used(segment, i); /* also one to be settled, or nobody would look at it */
        if (found != SV_SLOT_EMPTY) {
            some_unsettled = true;
            continue;
        }
        sv_store_release32(&slot->phase, SV_SLOT_CLAIMED);
        slot_clear(slot);
        sv_store_relaxed32(&slot->pid, sv_os_pid());
        sv_store_release32(&slot->tid, sv_os_tid()); /* who reads it sees the words cleared */
        *index = i;
        return 0;
    }
    return some_unsettled ? SV_BUSY : SV_FULL;
}

void sv_slot_free(struct sv_segment *segment, uint32_t index)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    slot_clear(slot);
    sv_store_release32(&slot->phase, SV_SLOT_FREE);
    SV_POINT(backend_detach_free);
    sv_os_life_release(&slot->life);
}

enum sv_slot_life sv_slot_test(struct sv_segment *segment, uint32_t index)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    if (sv_load_acquire32(&slot->phase) == SV_SLOT_FREE) {
        return SV_SLOT_EMPTY;
    }
    return sv_slot_test_holder(segment, index);
}

enum sv_slot_life sv_slot_test_holder(struct sv_segment *segment, uint32_t index)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    const enum sv_life life = sv_os_life_try(&slot->life);
    if (life == SV_LIFE_BUSY) {
        return SV_SLOT_LIVING;
    }
    const enum sv_slot_life found = slot_judge(segment, index, life);
    if (found == SV_SLOT_EMPTY) {
        sv_os_life_release(&slot->life);
    }
    return found;
}

bool sv_slot_take_unsettled(struct sv_segment *segment, uint32_t index)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    if (sv_load_acquire32(&slot->phase) != SV_SLOT_DEAD) {
        return false;
    }
    const enum sv_life life = sv_os_life_try(&slot->life);
    if (life == SV_LIFE_BUSY) {
        return false;
    }
    if (life == SV_LIFE_TAKEN && sv_load_acquire32(&slot->phase) == SV_SLOT_DEAD) {
        return true;
    }
    /* Settled meanwhile, or its settler died meanwhile: the next test sees to it. */
    if (slot_judge(segment, index, life) == SV_SLOT_EMPTY) {
        sv_os_life_release(&slot->life);
    }
    return false;
}
