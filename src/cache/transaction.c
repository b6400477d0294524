/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Transactions: from the first command to the message that tells everybody (PostgreSQL: xact.c,
 * AtEOXact_Inval, AtEOSubXact_Inval). Levels of messages: inval.c.
 *
 * User's code (callbacks, builds) runs in begin, command end and release, which can return its
 * error. Commit and rollback only mark caches: what they mark is told at the next accept, and every
 * begin accepts. So nothing can fail, recurse or start over in the middle of an end (PostgreSQL ran
 * its abort twice when the abort failed: 083258e535).
 *
 * Commit, step by step, and what a death after each step means:
 *   1  the last command's messages are applied here
 *   2  intent declared       messages are sent for nothing by the settler
 *   3  each source commits   the settler sends the messages: K2
 *   4  messages inserted     sent twice
 *   5  intent withdrawn      as any death of an idle backend
 * Step 2 comes before 3 and 3 before 4, or somebody could go on with what is stale, or load it
 * again after having been told.
 *
 * Several sources commit one after the other, in the order in which they were enlisted; there is no
 * atomic commit across them. If one fails after another has committed, all messages are sent
 * (invalidating too much is safe), the rest is rolled back, and the failing one's result returned.
 *
 * A source may be one above others, and write to them whenever it is called. While a level is
 * released, to one that has released it: that one opens the level once more and releases it again.
 * While the transaction ends, to one that has ended it: refused. What is registered while sources
 * commit is promised at once.
 *
 * The messages of sv_source_write go to every database: a source does not know of databases, so
 * its rows are everybody's.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/point.h"
#include "cache/inval.h"
#include "queue/queue.h"

#define ALL_ENDED UINT32_MAX /* also those that are not there yet */

/* ---- sources -------------------------------------------------------------------------------- */

static int source_begin_level(struct sv_backend *self, struct sv_source *source, uint32_t level)
{
    return source->subtransaction_begin != NULL ? source->subtransaction_begin(source, self, level)
                                                : 0;
}

static void source_rollback_level(struct sv_backend *self, struct sv_source *source, uint32_t level)
{
    if (source->subtransaction_rollback != NULL) {
        source->subtransaction_rollback(source, self, level);
    }
}

/* Open the levels that are open already. */
static int open_levels(struct sv_backend *self, struct sv_source *source)
{
    for (uint32_t level = 2; level <= self->inval->level_count; level++) {
        const int result = source_begin_level(self, source, level);
        if (result != 0) {
            source->rollback(source, self);
            return result;
        }
    }
    return 0;
}

/* Open the innermost level again, for a source that has released it though it is still open. */
static int reopen_level(struct sv_backend *self, uint32_t index)
{
    struct sv_inval *inval = self->inval;
    const uint32_t bit = UINT32_C(1) << index;
    if ((inval->levels[inval->level_count - 1].released & bit) == 0) {
        return 0;
    }
    const int result = source_begin_level(self, inval->sources[index], inval->level_count);
    if (result == 0) {
        inval->levels[inval->level_count - 1].released &= ~bit;
    }
    return result;
}

int sv_transaction_enlist(struct sv_backend *self, struct sv_source *source)
{
    struct sv_inval *inval = self->inval;
    sv_assert(inval->level_count > 0, "slot %u enlists %s without a transaction", self->slot_index,
              source->name);
    for (uint32_t i = 0; i < inval->source_count; i++) {
        if (inval->sources[i] == source) {
            return (inval->ended >> i & 1) != 0 ? -EINVAL : reopen_level(self, i);
        }
    }
    if (inval->ended == ALL_ENDED) {
        return -EINVAL;
    }
    if (inval->source_count == SV_SOURCES_MAX) {
        return SV_FULL;
    }
    const int result = open_levels(self, source);
    if (result == 0) {
        inval->sources[inval->source_count++] = source;
    }
    return result;
}

static struct sv_level *innermost(struct sv_inval *inval)
{
    sv_assert(inval->level_count > 0, "no transaction is open");
    return &inval->levels[inval->level_count - 1];
}

int sv_source_write(struct sv_backend *self, struct sv_source *source, uint32_t relation,
                    const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    const struct sv_message message = {
        .kind = SV_MESSAGE_CATCACHE,
        .catcache = {.cache = relation, .hash = sv_keys_hash(keys)},
    };
    struct sv_inval *inval = self->inval;
    sv_inval_assert_unlocked(self);
    int result = sv_transaction_enlist(self, source);
    const uint32_t before = inval->messages.count;
    if (result == 0) {
        result = sv_inval_register(self, &message);
    }
    if (result != 0) {
        return result;
    }
    const uint32_t registered = inval->messages.count;
    result = source->write(source, self, relation, keys, tuple);
    if (result != 0 && inval->messages.count == registered) { /* else it stays, and does no harm */
        inval->messages.count = before;
        if (innermost(inval)->current > before) { /* a command ended inside */
            innermost(inval)->current = before;
        }
    }
    return result;
}

/* ---- begin, command end ---------------------------------------------------------------------- */

int sv_transaction_begin(struct sv_backend *self, struct sv_transaction_id *id)
{
    struct sv_inval *inval = self->inval;
    sv_assert(inval->level_count == 0, "slot %u begins inside a transaction", self->slot_index);
    sv_inval_assert_unlocked(self);
    sv_patrol(self);
    const int result = sv_accept_messages(self);
    if (result != 0) {
        return result;
    }
    const struct sv_transaction_id drawn = sv_transaction_id_next(self);
    if (id != NULL) {
        *id = drawn;
    }
    inval->levels[0] = (struct sv_level){0};
    inval->level_count = 1;
    inval->doomed = false;
    return 0;
}

/* Apply what was registered from one message on. */
static void apply_from(struct sv_backend *self, uint32_t first)
{
    struct sv_inval *inval = self->inval;
    for (uint32_t i = first; i < inval->messages.count; i++) {
        sv_inval_apply(self, &inval->messages.items[i]);
    }
}

/* What was to be changed in place in this command may have been read before it was. */
static void apply_in_place(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    for (; inval->in_place_current < inval->in_place.count; inval->in_place_current++) {
        sv_inval_apply(self, &inval->in_place.items[inval->in_place_current]);
    }
}

static void apply_current(struct sv_backend *self)
{
    struct sv_level *level = innermost(self->inval);
    apply_from(self, level->current);
    level->current = self->inval->messages.count;
    apply_in_place(self);
}

int sv_command_end(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    sv_inval_assert_unlocked(self);
    apply_current(self);
    inval->depth++;
    const int result = sv_inval_finish(self);
    inval->depth--;
    return result;
}

uint32_t sv_transaction_level(const struct sv_backend *self)
{
    return self->inval->level_count;
}

uint64_t sv_transaction_version(const struct sv_backend *self)
{
    return self->inval->version;
}

/* ---- subtransactions -------------------------------------------------------------------------- */

static int push_level(struct sv_inval *inval)
{
    if (inval->level_count == inval->level_size) {
        struct sv_level *levels =
            realloc(inval->levels, (size_t)inval->level_size * 2 * sizeof(*levels));
        if (levels == NULL) {
            return -ENOMEM;
        }
        inval->levels = levels;
        inval->level_size *= 2;
    }
    inval->levels[inval->level_count++] = (struct sv_level){
        .first = inval->messages.count,
        .current = inval->messages.count,
    };
    return 0;
}

int sv_subtransaction_begin(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    sv_inval_assert_unlocked(self);
    (void)innermost(inval);
    int result = 0;
    for (uint32_t i = 0; i < inval->source_count && result == 0; i++) {
        result = reopen_level(self, i);
    }
    if (result == 0) {
        result = push_level(inval);
    }
    if (result != 0) {
        return result;
    }
    uint32_t begun = 0;
    for (; begun < inval->source_count && result == 0; begun++) {
        result = source_begin_level(self, inval->sources[begun], inval->level_count);
    }
    if (result != 0) {
        while (--begun > 0) {
            source_rollback_level(self, inval->sources[begun - 1], inval->level_count);
        }
        inval->level_count--;
    }
    return result;
}

/* Each source that has not done so yet. Returns: 0; what the first to fail said. */
static int release_sources(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    uint32_t left = SV_SOURCES_MAX + SV_REPEATS_MAX; /* releases */
    for (uint32_t i = 0; i < inval->source_count;) {
        struct sv_source *source = inval->sources[i];
        const uint32_t bit = UINT32_C(1) << i;
        if ((innermost(inval)->released & bit) != 0 || source->subtransaction_release == NULL) {
            i++;
            continue;
        }
        if (left-- == 0) {
            return -ELOOP;
        }
        const int result = source->subtransaction_release(source, self, inval->level_count);
        if (result != 0) {
            return result;
        }
        innermost(inval)->released |= bit;
        innermost(inval)->handed |= bit;
        i = 0; /* it may have written to one that had released it */
    }
    return 0;
}

int sv_subtransaction_release(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    sv_assert(inval->level_count > 1, "slot %u has no subtransaction open", self->slot_index);
    int result = sv_command_end(self);
    if (result == 0) {
        result = release_sources(self);
    }
    if (result != 0) {
        return result;
    }
    const struct sv_level level = *innermost(inval);
    inval->level_count--;
    struct sv_level *parent = innermost(inval);
    if (parent->current == level.first) { /* [L3] */
        parent->current = level.current;
    }
    return 0;
}

void sv_subtransaction_rollback(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    sv_assert(inval->level_count > 1, "slot %u has no subtransaction open", self->slot_index);
    sv_inval_assert_unlocked(self);
    const struct sv_level level = *innermost(inval);
    for (uint32_t i = inval->source_count; i-- > 0;) {
        if ((level.released & UINT32_C(1) << i) == 0) {
            source_rollback_level(self, inval->sources[i], inval->level_count);
        }
    }
    inval->doomed |= level.handed != 0;
    apply_from(self, level.first); /* [L4] */
    apply_in_place(self);
    inval->messages.count = level.first;
    inval->level_count--;
}

/* ---- the end ---------------------------------------------------------------------------------- */

/* Roll back the sources from one on, newest first. */
static void rollback_sources(struct sv_backend *self, uint32_t from)
{
    struct sv_inval *inval = self->inval;
    inval->ended = ALL_ENDED;
    for (uint32_t i = inval->source_count; i-- > from;) {
        inval->sources[i]->rollback(inval->sources[i], self);
    }
}

static void close_transaction(struct sv_inval *inval)
{
    inval->level_count = 0;
    inval->source_count = 0;
    inval->ended = 0;
    inval->messages.count = 0;
    inval->in_place.count = 0;
    inval->in_place_current = 0;
    inval->commits = false;
}

void sv_transaction_rollback(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    sv_inval_assert_unlocked(self);
    (void)innermost(inval);
    rollback_sources(self, 0);
    apply_from(self, 0); /* [L4] */
    apply_in_place(self);
    if (inval->in_place.count > 0) {
        sv_queue_insert(self, inval->in_place.items, inval->in_place.count);
        sv_intent_withdraw(self);
    }
    close_transaction(inval);
    sv_stat_add(self->slot, SV_STAT_rollbacks, 1);
}

/* Commit the sources in order. Returns: 0; what the first to fail said, *committed before it. */
static int commit_sources(struct sv_backend *self, uint32_t *committed)
{
    struct sv_inval *inval = self->inval;
    *committed = 0;
    if (SV_POINT_ANSWER(commit_source_before) == SV_POINT_FAIL) {
        return -EIO;
    }
    for (; *committed < inval->source_count; ++*committed) {
        struct sv_source *source = inval->sources[*committed];
        uint64_t version = 0;
        const int result = source->commit(source, self, &version);
        if (result != 0) {
            return result == SV_FULL ? -ENOSPC : result;
        }
        inval->ended |= UINT32_C(1) << *committed;
        inval->version = version != 0 ? version : inval->version;
    }
    SV_POINT(commit_source_after);
    return 0;
}

/* Promise them, but for those in place, which are promised already; from now on each at once. */
static void declare(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    const struct sv_messages *messages = &inval->messages;
    sv_assert(inval->in_place.count > 0 || self->intent == SV_INTENT_NONE,
              "slot %u commits, and has declared an intent of its own", self->slot_index);
    if (messages->count > 0) {
        sv_intent_extend(self, messages->items, messages->count);
    }
    inval->commits = true;
}

/* Those in place with them: room is reserved. */
static void send_all(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    struct sv_messages *messages = &inval->messages;
    for (uint32_t i = 0; i < inval->in_place.count; i++) {
        messages->items[messages->count++] = inval->in_place.items[i];
    }
    if (messages->count > 0) {
        sv_queue_insert(self, messages->items, messages->count);
        SV_POINT(commit_send_after);
        sv_intent_withdraw(self);
    }
}

/* A source failed. The messages were promised already: no less than the in-place ones are sent. */
static void abandon(struct sv_backend *self, uint32_t committed)
{
    struct sv_inval *inval = self->inval;
    if (committed == 0) {
        const bool promised = inval->messages.count > 0 && inval->in_place.count == 0;
        inval->commits = false; /* what is registered from here on is not sent */
        if (promised) {
            sv_intent_withdraw(self);
        }
        sv_transaction_rollback(self);
        return;
    }
    rollback_sources(self, committed);
    apply_from(self, 0);
    apply_in_place(self);
    send_all(self);
    close_transaction(inval);
    sv_stat_add(self->slot, SV_STAT_rollbacks, 1);
}

int sv_transaction_commit(struct sv_backend *self)
{
    struct sv_inval *inval = self->inval;
    sv_inval_assert_unlocked(self);
    sv_assert(inval->level_count == 1, "slot %u commits with %u levels open", self->slot_index,
              inval->level_count);
    if (inval->doomed) {
        sv_transaction_rollback(self);
        return -ECANCELED;
    }
    apply_current(self);
    declare(self);
    uint32_t committed;
    const int result = commit_sources(self, &committed);
    if (result != 0) {
        abandon(self, committed);
        return result;
    }
    send_all(self);
    close_transaction(inval);
    sv_stat_add(self->slot, SV_STAT_commits, 1);
    return 0;
}
