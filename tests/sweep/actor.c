/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A participant: it does what a program would, and keeps the control area's books about it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "faults/random.h"
#include "tests/sweep/database.h"
#include "tests/sweep/world.h"

enum { MESSAGES_MAX = 512, BATCH = 32 };

void actor_init(struct actor *actor, const struct world *world, enum part part)
{
    *actor = (struct actor){.world = world,
                            .segment = world->segment,
                            .control = &world->control,
                            .birth = part,
                            .messages = calloc(MESSAGES_MAX, sizeof(*actor->messages))};
    if (actor->messages == NULL || delivery_init(&actor->delivery, actor->control) != 0) {
        _exit(3);
    }
}

void actor_leave(struct actor *actor)
{
    if (actor->self != NULL) {
        sv_backend_detach(actor->self); /* rolls back what is open, in the source too */
        actor->self = NULL;
    }
    if (actor->source != NULL) {
        actor->source->close(actor->source);
        actor->source = NULL;
    }
}

static int accuse(const struct actor *actor, const struct finding *finding)
{
    control_accuse(actor->control, actor->birth, finding);
    return 1;
}

int actor_must(struct actor *actor, const char *call, int result)
{
    struct finding finding;
    if (result == 0) {
        return 0;
    }
    (void)finding_set(&finding, ORACLE_O4, "%s gives %d", call, result);
    return accuse(actor, &finding);
}

/* ---- messages ------------------------------------------------------------------------------ */

/* The first message after the death. */
static bool forgets(struct actor *actor)
{
    if (actor->world->canary != CANARY_FORGETS || actor->birth != PART_READER || actor->forgot ||
        sv_load_seq32(&actor->world->shared->phase) == WORLD_STILL) {
        return false;
    }
    actor->forgot = true;
    return true;
}

static int take(struct actor *actor, const struct sv_message *message)
{
    struct finding finding;
    if (forgets(actor)) {
        return 0;
    }
    if (!delivery_take(&actor->delivery, message, &finding)) {
        return accuse(actor, &finding);
    }
    actor->order = random_hash(actor->order, message->payload);
    return 0;
}

static void take_reset(struct actor *actor)
{
    actor->delivery.resets++;
    delivery_sync(&actor->delivery);
}

static int told(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    (void)self;
    struct actor *actor = argument;
    if (message == NULL) {
        take_reset(actor);
        return 0;
    }
    return take(actor, message) == 0 ? 0 : -EPROTO;
}

int actor_attach(struct actor *actor, const struct sv_backend_options *options)
{
    const int result = sv_backend_attach(actor->segment, options, &actor->self);
    if (result != 0) {
        return actor_must(actor, "sv_backend_attach", result);
    }
    delivery_sync(&actor->delivery);
    return actor_must(actor, "sv_callback_register",
                      sv_callback_register(actor->self, SV_MESSAGE_APPLICATION, told, actor));
}

int actor_accept(struct actor *actor)
{
    if (actor->world->canary == CANARY_STALE && actor->birth == PART_CACHED) {
        return 0;
    }
    return actor_must(actor, "sv_accept_messages", sv_accept_messages(actor->self));
}

int actor_read(struct actor *actor)
{
    struct sv_message batch[BATCH];
    uint32_t count;
    for (;;) {
        if (sv_queue_read(actor->self, batch, BATCH, &count) == SV_RESET) {
            take_reset(actor);
            continue;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (batch[i].kind == SV_MESSAGE_APPLICATION && take(actor, &batch[i]) != 0) {
                return 1;
            }
        }
        if (count < BATCH) {
            return 0;
        }
    }
}

int actor_fetch(struct actor *actor)
{
    uint32_t count = BATCH;
    while (count == BATCH && actor->fetched + BATCH <= MESSAGES_MAX) {
        if (sv_queue_read(actor->self, actor->messages + actor->fetched, BATCH, &count) ==
            SV_RESET) {
            actor->fetched_reset = true;
            actor->fetched = 0; /* it is of no use any more */
            count = BATCH;
        } else {
            actor->fetched += count;
        }
    }
    return 0;
}

int actor_judge_fetched(struct actor *actor)
{
    if (actor->fetched_reset) {
        take_reset(actor);
    }
    for (uint32_t i = 0; i < actor->fetched; i++) {
        if (actor->messages[i].kind == SV_MESSAGE_APPLICATION &&
            take(actor, &actor->messages[i]) != 0) {
            return 1;
        }
    }
    return 0;
}

static struct birth *birth_of(const struct actor *actor)
{
    return &actor->control->births[actor->birth];
}

void actor_number(struct actor *actor, uint32_t count)
{
    sv_assert(count <= MESSAGES_MAX, "%u messages", count);
    for (uint32_t i = 0; i < count; i++) {
        actor->messages[i] = delivery_message(actor->birth, actor->inserted + i);
    }
    actor->inserted += count;
    sv_store_seq32(&birth_of(actor)->begun, actor->inserted);
}

void actor_sent(struct actor *actor)
{
    sv_store_seq32(&birth_of(actor)->sent, actor->inserted);
}

void actor_insert(struct actor *actor, uint32_t count)
{
    actor_number(actor, count);
    sv_queue_insert(actor->self, actor->messages, count);
    actor_sent(actor);
}

void actor_intend(struct actor *actor, uint32_t count, bool may_reset)
{
    struct birth *birth = birth_of(actor);
    sv_store_seq32(&birth->may_reset, may_reset);
    sv_store_seq64(&birth->intent_range,
                   (uint64_t)(actor->inserted - count) << 32 | actor->inserted);
}

void actor_promised(struct actor *actor)
{
    sv_store_seq32(&birth_of(actor)->intent, INTENT_DECLARED);
}

/* ---- rows ---------------------------------------------------------------------------------- */

int actor_open_table(struct actor *actor)
{
    return actor->world->operation->sqlite
               ? database_open(actor, actor->world->sweeper)
               : actor_must(actor, "sv_table_open", sv_table_open(actor->self, &actor->source));
}

int actor_open_cache(struct actor *actor)
{
    const struct sv_catcache_options options = {
        .cache = ROW_RELATION, .relation = ROW_RELATION, .key_count = 2, .source = actor->source};
    return actor_must(actor, "sv_catcache_create",
                      sv_catcache_create(actor->self, &options, &actor->cache));
}

int actor_begin(struct actor *actor)
{
    actor->transaction++;
    sv_store_relaxed32(&birth_of(actor)->write_count, 0);
    return actor_must(actor, "sv_transaction_begin", sv_transaction_begin(actor->self, NULL));
}

int actor_write(struct actor *actor, uint32_t key, bool deletes)
{
    struct birth *birth = birth_of(actor);
    const struct row_value value =
        row_value_make(actor->birth, actor->transaction, ++actor->serial, key, false);
    const struct sv_tuple tuple = {.data = &value, .size_bytes = sizeof(value)};
    const uint32_t count = sv_load_relaxed32(&birth->write_count);
    struct row_keys keys;
    row_keys_set(&keys, key);
    if (deletes) {
        sv_store_seq32(&actor->control->deleting[key], 1);
    }
    if (count < BIRTH_WRITES_MAX) {
        sv_store_relaxed32(&birth->writes[count], key << 1 | deletes);
        sv_store_relaxed32(&birth->write_count, count + 1);
    }
    return actor_must(actor, "sv_source_write",
                      sv_source_write(actor->self, actor->source, ROW_RELATION, &keys.keys,
                                      deletes ? NULL : &tuple));
}

void actor_commit_begins(struct actor *actor)
{
    sv_store_seq32(&birth_of(actor)->commit_begun, actor->transaction);
}

void actor_committed(struct actor *actor)
{
    const struct birth *birth = birth_of(actor);
    const uint64_t version = sv_transaction_version(actor->self);
    const uint32_t count = sv_load_relaxed32(&birth->write_count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t write = sv_load_relaxed32(&birth->writes[i]);
        control_raise(&actor->control->truth[write >> 1], TRUTH(version, (write & 1) != 0));
        if ((write & 1) != 0) {
            sv_store_seq32(&actor->control->deleting[write >> 1], 0);
        }
    }
}

int actor_commit(struct actor *actor)
{
    actor_commit_begins(actor);
    const int result = sv_transaction_commit(actor->self);
    if (result == 0) {
        actor_committed(actor);
    }
    return actor_must(actor, "sv_transaction_commit", result);
}

static int read_row(struct actor *actor, struct row_read *read)
{
    struct finding finding;
    struct row_keys keys;
    struct sv_cache_entry *entry = NULL;
    row_keys_set(&keys, read->key);
    const int result = sv_cache_search(actor->self, actor->cache, &keys.keys, &entry);
    if (result != 0 && result != SV_NOT_FOUND) {
        return actor_must(actor, "sv_cache_search", result);
    }
    row_read_take(read, entry != NULL ? sv_cache_tuple(entry) : NULL);
    if (entry != NULL) {
        sv_cache_release(actor->self, entry);
    }
    return reads_judge(actor->control, read, &finding) ? 0 : accuse(actor, &finding);
}

int actor_read_rows(struct actor *actor)
{
    struct row_read reads[64];
    for (uint32_t first = 0; first < actor->world->keys; first += 64) {
        const uint32_t left = actor->world->keys - first;
        const uint32_t count = left < 64 ? left : 64;
        for (uint32_t i = 0; i < count; i++) {
            reads[i] = (struct row_read){.key = first + i,
                                         .truth = sv_load_seq64(&actor->control->truth[first + i]),
                                         .reader = actor->birth};
        }
        int result = actor_accept(actor);
        for (uint32_t i = 0; i < count && result == 0; i++) {
            result = read_row(actor, &reads[i]);
        }
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

int actor_draw_id(struct actor *actor)
{
    const struct sv_transaction_id id = sv_transaction_id_next(actor->self);
    struct slot_record *record = &actor->control->slots[id.slot];
    struct finding finding;
    if (id.local <= sv_load_seq64(&record->local_transaction_id)) {
        (void)finding_set(&finding, ORACLE_O6, "local transaction id %llu of slot %u came again",
                          (unsigned long long)id.local, id.slot);
        return accuse(actor, &finding);
    }
    control_raise(&record->local_transaction_id, id.local);
    return 0;
}
