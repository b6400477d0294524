/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Intents: what a backend is about to send, where its settler finds it (K2).
 *
 * The messages are plain words in the backend's own part of the segment, written only while the
 * phase says NONE, or RESET_ALL, which needs none of them. The release store of the phase makes
 * them count; whoever settles the slot reads the phase with acquire, after the life lock told it
 * that the writer is dead. So an intent is there completely or not at all, and one that replaces
 * another is never missing: in between it says more, not less.
 *
 * Invalidating too much is always safe: an intent that was declared and not committed, or already
 * sent, is sent (again) by the settler, and costs some cache entries.
 */
#include <string.h>

#include "base/point.h"
#include "queue/queue.h"

/* Write them where the phase does not point yet, then let it. */
static void promise(struct sv_backend *self, const struct sv_message *messages, uint32_t count)
{
    struct sv_intent *intent = sv_segment_intent(self->segment, self->slot_index);
    struct sv_atomic32 *phase = &self->slot->intent;
    if (count > self->segment->config.intent_max) {
        SV_POINT(intent_declare_before);
        sv_store_release32(phase, SV_INTENT_RESET_ALL);
    } else {
        intent->count = count;
        SV_POINT(intent_declare_before);
        memcpy(intent->messages, messages, count * sizeof(*messages));
        sv_store_release32(phase, SV_INTENT_MESSAGES);
    }
    SV_POINT(intent_declare_after);
}

void sv_intent_declare(struct sv_backend *self, const struct sv_message *messages, uint32_t count)
{
    sv_assert(sv_load_relaxed32(&self->slot->intent) == SV_INTENT_NONE,
              "slot %u has declared an intent already", self->slot_index);
    promise(self, messages, count);
}

void sv_intent_replace(struct sv_backend *self, const struct sv_message *messages, uint32_t count)
{
    /* A read-modify-write: what is written next cannot move before it. */
    (void)sv_exchange_seq32(&self->slot->intent, SV_INTENT_RESET_ALL);
    promise(self, messages, count);
}

void sv_intent_withdraw(struct sv_backend *self)
{
    SV_POINT(intent_withdraw_before);
    sv_store_release32(&self->slot->intent, SV_INTENT_NONE);
}

/* What the dead had promised. */
void sv_intent_resend(struct sv_backend *ghost)
{
    struct sv_slot *slot = ghost->slot;
    const struct sv_intent *intent = sv_segment_intent(ghost->segment, ghost->slot_index);
    const uint32_t phase = sv_load_acquire32(&slot->intent);
    const uint32_t count = intent->count;
    if (phase == SV_INTENT_NONE) {
        return;
    }
    SV_POINT(recover_intent_before);
    if (phase == SV_INTENT_MESSAGES && count <= ghost->segment->config.intent_max) {
        sv_queue_insert(ghost, intent->messages, count);
    } else {
        sv_queue_reset_all(ghost);
    }
    sv_stat_add(slot, SV_STAT_intents_resent, 1);
    SV_POINT(recover_intent_after);
    sv_store_release32(&slot->intent, SV_INTENT_NONE);
}
