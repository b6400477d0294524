/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Messages of the open transaction, by level and command (PostgreSQL: inval.c).
 *
 * All levels share one array, since levels nest: the messages of a level are those from its `first`
 * up to the `first` of the next level inside it, or the end. Of these, what lies from `current` on
 * belongs to the current command: it has not been applied to this backend's own caches yet.
 *
 *   messages:  | level 1: earlier commands | level 1: current | level 2: earlier | level 2: current |
 *              first                       current            first              current
 *
 * Rules of levels:
 *   L1  only the innermost level grows.
 *   L2  command end applies the innermost level's current messages and makes them earlier ones.
 *   L3  release joins a level to its parent by forgetting where it began. Were messages of the
 *       parent's current command before it, those of the level are applied once more at the
 *       parent's command end, which is harmless.
 *   L4  rollback of a level applies everything of it to the own caches, current or not (they may
 *       hold what it wrote), and cuts it off.
 *   L5  commit sends all; rollback of the transaction sends nothing but what was changed in place.
 *
 * In-place messages are an array of their own, since no rollback may cut them off (PostgreSQL kept
 * them with the others until 243e9b40f1). From their registration on they are this backend's
 * intent: a change that is visible already must be told even if its maker is killed. They are
 * applied when they are registered, and at the end of their command: the row may have been read
 * in between.
 *
 * Memory: room for a message is reserved before anything is changed, so an error leaves nothing
 * half done. The array for `messages` has room for the in-place ones too, so commit, which sends
 * both together, allocates nothing.
 */
#include "cache/inval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue.h"

#define SV_LEVELS_MIN     8
#define SV_MESSAGES_MIN   16
#define SV_DUPLICATES_MAX 16 /* how far back an equal message is looked for */

int sv_inval_create(struct sv_backend *self)
{
    struct sv_inval *inval = calloc(1, sizeof(*inval));
    if (inval == NULL) {
        return -ENOMEM;
    }
    self->inval = inval;
    inval->work = self->discard_caches;
    inval->level_size = SV_LEVELS_MIN;
    inval->levels = calloc(SV_LEVELS_MIN, sizeof(*inval->levels));
    if (inval->levels == NULL ||
        sv_events_create(&inval->events, self->segment->config.capacity) != 0) {
        sv_inval_destroy(self);
        return -ENOMEM;
    }
    return 0;
}

void sv_inval_destroy(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    if (inval == NULL) {
        return;
    }
    sv_assert(inval->depth == 0, "slot %u detaches inside a callback or build", self->slot_index);
    if (inval->level_count > 0) {
        sv_transaction_rollback(self);
    }
    sv_relcache_destroy(self);
    sv_catcache_destroy_all(self);
    sv_events_destroy(&inval->events);
    free(inval->messages.items);
    free(inval->in_place.items);
    free(inval->levels);
    free(inval);
    self->inval = NULL;
}

int sv_messages_reserve(struct sv_messages *messages, uint32_t more)
{
    if (messages->size - messages->count >= more) {
        return 0;
    }
    uint32_t size = messages->size > 0 ? messages->size : SV_MESSAGES_MIN;
    while (size - messages->count < more) {
        if (size > UINT32_MAX / 2) {
            return -ENOMEM;
        }
        size *= 2;
    }
    struct sv_message *items = realloc(messages->items, (size_t)size * sizeof(*items));
    if (items == NULL) {
        return -ENOMEM;
    }
    messages->items = items;
    messages->size = size;
    return 0;
}

/* Did the current command say the same a moment ago? */
static bool is_repeated(const struct sv_inval *inval, const struct sv_message *message)
{
    const struct sv_level *level = &inval->levels[inval->level_count - 1];
    const uint32_t end = inval->messages.count;
    uint32_t i =
        end - level->current > SV_DUPLICATES_MAX ? end - SV_DUPLICATES_MAX : level->current;
    for (; i < end; i++) {
        if (memcmp(&inval->messages.items[i], message, sizeof(*message)) == 0) {
            return true;
        }
    }
    return false;
}

int sv_inval_register(struct sv_backend *self, const struct sv_message *message)
{
    struct sv_inval *inval = self->inval;
    const int result = sv_messages_reserve(&inval->messages, inval->in_place.count + 1);
    if (result == 0 && !is_repeated(inval, message)) {
        if (inval->commits) {
            sv_intent_extend(self, message, 1);
        }
        inval->messages.items[inval->messages.count++] = *message;
    }
    return result;
}

static int register_message(struct sv_backend *self, const struct sv_message *message)
{
    if (self->inval->level_count == 0) {
        sv_send_messages(self, message, 1);
        return 0;
    }
    return sv_inval_register(self, message);
}

static struct sv_message about_relation(const struct sv_backend *self, enum sv_message_kind kind,
                                        uint32_t relation, bool shared)
{
    return (struct sv_message){
        .kind = (uint8_t)kind,
        .database = shared ? 0 : self->database,
        .relation.relation = relation,
    };
}

int sv_invalidate_catcache(struct sv_backend *self, uint32_t cache, uint32_t hash, bool shared)
{
    return register_message(self, &(struct sv_message){
                                      .kind = SV_MESSAGE_CATCACHE,
                                      .database = shared ? 0 : self->database,
                                      .catcache = {.cache = cache, .hash = hash},
                                  });
}

int sv_invalidate_catalog(struct sv_backend *self, uint32_t relation, bool shared)
{
    const struct sv_message message = about_relation(self, SV_MESSAGE_CATALOG, relation, shared);
    return register_message(self, &message);
}

int sv_invalidate_relation(struct sv_backend *self, uint32_t relation, bool shared)
{
    const struct sv_message message = about_relation(self, SV_MESSAGE_RELCACHE, relation, shared);
    return register_message(self, &message);
}

int sv_invalidate_smgr(struct sv_backend *self, uint32_t relation, bool shared)
{
    const struct sv_message message = about_relation(self, SV_MESSAGE_SMGR, relation, shared);
    return register_message(self, &message);
}

int sv_invalidate_relmap(struct sv_backend *self, bool shared)
{
    const struct sv_message message = about_relation(self, SV_MESSAGE_RELMAP, 0, shared);
    return register_message(self, &message);
}

int sv_invalidate_snapshot(struct sv_backend *self, uint32_t relation, bool shared)
{
    const struct sv_message message = about_relation(self, SV_MESSAGE_SNAPSHOT, relation, shared);
    return register_message(self, &message);
}

int sv_invalidate_application(struct sv_backend *self, uint64_t payload, bool shared)
{
    return register_message(self, &(struct sv_message){
                                      .kind = SV_MESSAGE_APPLICATION,
                                      .database = shared ? 0 : self->database,
                                      .payload = payload,
                                  });
}

static void assert_kinds(const struct sv_message *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sv_assert(messages[i].kind > 0 && messages[i].kind < SV_MESSAGE_KIND_END,
                  "message %u of %u is of kind %u", i, count, messages[i].kind);
    }
}

int sv_invalidate_in_place(struct sv_backend *self, const struct sv_message *message)
{
    struct sv_inval *inval = self->inval;
    assert_kinds(message, 1);
    if (inval->level_count == 0) {
        sv_send_messages(self, message, 1);
        return 0;
    }
    int result = sv_messages_reserve(&inval->in_place, 1);
    if (result == 0) {
        result = sv_messages_reserve(&inval->messages, inval->in_place.count + 1);
    }
    if (result == 0) {
        inval->in_place.items[inval->in_place.count++] = *message;
        sv_intent_extend(self, message, 1);
        sv_inval_apply(self, message); /* it shows already */
    }
    return result;
}

void sv_send_messages(struct sv_backend *self, const struct sv_message *messages, uint32_t count)
{
    const uint32_t phase = self->intent;
    const uint32_t promised = self->intent_count;
    sv_inval_assert_unlocked(self);
    if (count == 0) {
        return;
    }
    assert_kinds(messages, count);
    sv_intent_extend(self, messages, count);
    sv_queue_insert(self, messages, count);
    if (phase == SV_INTENT_NONE) {
        sv_intent_withdraw(self);
    } else if (phase == SV_INTENT_MESSAGES) {
        sv_intent_shorten(self, promised); /* before this: by the open transaction, or its user */
    }
}
