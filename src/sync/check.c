/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Checks: why nobody waits for ever for what a lock word or a slot says by accident.
 *
 * A participant that writes rubbish can make a lock look held. Who waits for it cannot tell from the
 * word alone; but whatever the word is, somebody can, and looks:
 *
 *     the word is none that anybody stores, or names   who waits, at once
 *     the waiter itself
 *     it names a slot in which nobody lives            who waits, after 10 ms: it then has that slot's
 *                                                      life lock, so nobody can be acting for the
 *                                                      slot, and yet a lock names it
 *     it names a backend that lives and holds it not   that backend: whenever it waits for a lock, and
 *                                                      each 100 ms of its waits, begins and accepts
 *     it names a backend that lives and holds it       nobody is to blame
 *
 * The third one may be busy with something else for long; then it is waited for like any holder that
 * does not get to run (`sinval stat` names it, and a postmaster with lock_hold_max_ms kills it).
 *
 * A released lock's word is the releaser's own until the release, so that it checks it before
 * (lwlock.c): who overwrote it may have let in a second holder.
 *
 * What one has written oneself is read from one's own memory where that is possible (the intent, the
 * locks held), and from the segment only to see that it is still so.
 *
 * Ordering: none of its own. A slot is vacant while its life lock is held, and own words are written
 * by their owner; all other words change under the reader, and only say "it cannot be".
 */
#include "sync/check.h"

#include <inttypes.h>
#include <stdio.h>

#include "sync/lwlock.h"

static uint32_t owner_in(uint32_t word)
{
    return (word & SV_LOCK_OWNER_MASK) - 1; /* SV_SLOT_NONE for nobody */
}

void sv_check_exclusive_word(const struct sv_backend *self, enum sv_lock lock, uint32_t word)
{
    const uint32_t backends_max = self->segment->config.backends_max;
    const uint32_t marks = word & ~SV_LOCK_OWNER_MASK;
    if (owner_in(word) >= backends_max) {
        sv_segment_corrupt(self->segment,
                           "lock %s: word 0x%" PRIx32 " names no slot; those are 0 to %" PRIu32,
                           sv_lwlock_name(lock), word, backends_max - 1);
    }
    if (owner_in(word) == self->slot_index) {
        sv_segment_corrupt(self->segment, "lock %s: names slot %" PRIu32 ", which does not hold it",
                           sv_lwlock_name(lock), self->slot_index);
    }
    const bool waits_for_shared = marks == 0 && sv_lock_classes[lock].has_shared;
    if (marks != SV_LOCK_GRANTED && !waits_for_shared) {
        sv_segment_corrupt(self->segment,
                           "lock %s: word 0x%" PRIx32 " has marks that there are not",
                           sv_lwlock_name(lock), word);
    }
}

void sv_check_shared_word(const struct sv_backend *self, enum sv_lock lock, uint32_t slot,
                          uint32_t word)
{
    if (word != 1) {
        sv_segment_corrupt(self->segment,
                           "lock %s: the shared word of slot %" PRIu32 " is 0x%" PRIx32
                           "; 0 or 1 would be right",
                           sv_lwlock_name(lock), slot, word);
    }
    if (slot == self->slot_index) {
        sv_segment_corrupt(self->segment,
                           "lock %s: slot %" PRIu32 " is said to share it, and does not",
                           sv_lwlock_name(lock), slot);
    }
}

/* The first lock that names the slot; SV_LOCK_COUNT: none does. */
static enum sv_lock lock_that_names(const struct sv_segment *segment, uint32_t slot)
{
    int lock = 0;
    while (lock < SV_LOCK_COUNT && sv_load_acquire32(&segment->slots[slot].held[lock]) == 0 &&
           owner_in(sv_load_acquire32(&segment->locks[lock].exclusive)) != slot) {
        lock++;
    }
    return (enum sv_lock)lock;
}

bool sv_check_vacant(const struct sv_segment *segment, uint32_t slot, uint32_t phase,
                     enum sv_life life, struct sv_finding *finding)
{
    const bool occupied = phase == SV_SLOT_CLAIMED || phase == SV_SLOT_ACTIVE;
    if (phase > SV_SLOT_DEAD) {
        (void)snprintf(finding->text, sizeof(finding->text),
                       "slot %" PRIu32 " phase: %" PRIu32 " is none; 0 to %d would be right", slot,
                       phase, (int)SV_SLOT_DEAD);
        return false;
    }
    if (occupied && life == SV_LIFE_TAKEN) {
        (void)snprintf(finding->text, sizeof(finding->text),
                       "slot %" PRIu32 " phase: %" PRIu32 ", and nobody has lived there", slot,
                       phase);
        return false;
    }
    if (occupied || (phase == SV_SLOT_DEAD && life == SV_LIFE_DEAD)) {
        return true; /* to be buried */
    }
    const enum sv_lock lock = lock_that_names(segment, slot);
    if (lock != SV_LOCK_COUNT) {
        (void)snprintf(finding->text, sizeof(finding->text),
                       "lock %s: names slot %" PRIu32 ", in which nobody lives",
                       sv_lwlock_name(lock), slot);
        return false;
    }
    return true;
}

static void check_own_lock(const struct sv_backend *self, enum sv_lock lock)
{
    const bool exclusive = sv_lwlock_held(self, lock, SV_LOCK_EXCLUSIVE);
    const bool shared = sv_lwlock_held(self, lock, SV_LOCK_SHARED);
    const uint32_t word = sv_load_relaxed32(&self->segment->locks[lock].exclusive);
    const uint32_t held = sv_load_relaxed32(&self->slot->held[lock]);
    if ((owner_in(word) == self->slot_index) != exclusive) {
        sv_segment_corrupt(self->segment, "lock %s: names %sslot %" PRIu32 ", which %s it",
                           sv_lwlock_name(lock), exclusive ? "not " : "", self->slot_index,
                           exclusive ? "holds" : "does not hold");
    }
    if (held != shared) {
        sv_segment_corrupt(self->segment,
                           "lock %s: the shared word of slot %" PRIu32 " is 0x%" PRIx32
                           "; %d would be right",
                           sv_lwlock_name(lock), self->slot_index, held, shared);
    }
}

void sv_check_own(const struct sv_backend *self, enum sv_lock except)
{
    const struct sv_segment *segment = self->segment;
    const uint32_t used = sv_load_relaxed32(&segment->header->slots_used);
    const uint32_t phase = sv_load_relaxed32(&self->slot->phase);
    const bool phase_fits =
        self->ghost ? phase == SV_SLOT_DEAD : phase == SV_SLOT_ACTIVE || phase == SV_SLOT_CLAIMED;
    if (used <= self->slot_index || used > segment->config.backends_max) {
        sv_segment_corrupt(segment,
                           "slots_used: %" PRIu32 "; %" PRIu32 " to %" PRIu32 " would be right",
                           used, self->slot_index + 1, segment->config.backends_max);
    }
    if (!phase_fits) {
        sv_segment_corrupt(segment, "slot %" PRIu32 " phase: %" PRIu32 ", and its backend lives",
                           self->slot_index, phase);
    }
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        if (lock != (int)except) {
            check_own_lock(self, (enum sv_lock)lock);
        }
    }
    if (self->settler != NULL) { /* it holds nothing while it plays the dead */
        sv_check_own(self->settler, SV_LOCK_COUNT);
    }
}
