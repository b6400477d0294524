/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Intents: what a backend is about to send, where its settler finds it (K2).
 *
 * A stack of messages in the backend's own part of the segment. They are plain words, written only
 * beyond `count`; the release store of the count, and for the first of them that of the phase,
 * makes them count. Whoever settles the slot reads phase and count with acquire, after the life
 * lock told it that the writer is dead. So what is declared is there completely or not at all,
 * and declaring more never puts at risk what was declared before.
 *
 * More than fit are declared as "reset everyone". What fitted stays below, and counts again when
 * the rest has been withdrawn.
 *
 * The owner keeps phase and count in its own memory, too, and goes by those: what the segment says of
 * its intent could have been overwritten. A settler has nothing else; what makes no sense to it is
 * "reset everyone".
 *
 * Invalidating too much is always safe: an intent that was declared and not committed, or already
 * sent, is sent (again) by the settler, and costs some cache entries.
 */
#include <string.h>

#include "base/point.h"
#include "queue/queue.h"

void sv_intent_extend(struct sv_backend *self, const struct sv_message *messages, uint32_t count)
{
    struct sv_intent *intent = sv_segment_intent(self->segment, self->slot_index);
    struct sv_atomic32 *phase = &self->slot->intent;
    const uint32_t declared = self->intent == SV_INTENT_NONE ? 0 : self->intent_count;
    self->intent_count = declared;
    if (self->intent == SV_INTENT_RESET_ALL ||
        count > self->segment->config.intent_max - declared) {
        sv_store_relaxed32(&intent->count, declared);
        SV_POINT(intent_declare_before);
        self->intent = SV_INTENT_RESET_ALL;
        sv_store_release32(phase, SV_INTENT_RESET_ALL);
    } else {
        SV_ANNOTATE_DEFINED(messages, count * sizeof(*messages));
        memcpy(&intent->messages[declared], messages, count * sizeof(*messages));
        SV_POINT(intent_declare_before);
        self->intent = SV_INTENT_MESSAGES;
        self->intent_count = declared + count;
        sv_store_release32(&intent->count, declared + count);
        sv_store_release32(phase, SV_INTENT_MESSAGES);
    }
    SV_POINT(intent_declare_after);
}

void sv_intent_shorten(struct sv_backend *self, uint32_t count)
{
    struct sv_intent *intent = sv_segment_intent(self->segment, self->slot_index);
    if (count <= self->intent_count) { /* else "reset everyone" says them as well */
        self->intent = SV_INTENT_MESSAGES;
        self->intent_count = count;
        sv_store_release32(&intent->count, count);
        sv_store_release32(&self->slot->intent, SV_INTENT_MESSAGES);
    }
}

void sv_intent_declare(struct sv_backend *self, const struct sv_message *messages, uint32_t count)
{
    sv_assert(self->intent == SV_INTENT_NONE, "slot %u has declared an intent already",
              self->slot_index);
    sv_intent_extend(self, messages, count);
}

void sv_intent_withdraw(struct sv_backend *self)
{
    SV_POINT(intent_withdraw_before);
    self->intent = SV_INTENT_NONE;
    sv_store_release32(&self->slot->intent, SV_INTENT_NONE);
}

/* What the dead had promised. */
void sv_intent_resend(struct sv_backend *ghost)
{
    struct sv_slot *slot = ghost->slot;
    const struct sv_intent *intent = sv_segment_intent(ghost->segment, ghost->slot_index);
    const uint32_t phase = sv_load_acquire32(&slot->intent);
    const uint32_t count = sv_load_acquire32(&intent->count);
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
