/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A source in the test's own memory, which does what a test tells it in the middle of a read.
 *
 * A store holds the committed rows. Each backend has a fake of its own over it, with staged writes
 * that its commit makes the store's. `meanwhile` runs after the row has been read and before the
 * reader gets it: the moment in which caches have gone wrong again and again.
 */
#ifndef SINVAL_TESTS_FAKE_SOURCE_H
#define SINVAL_TESTS_FAKE_SOURCE_H

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

#define FAKE_ROWS_MAX   4096
#define FAKE_STAGED_MAX 64
#define FAKE_TEXT_MAX   80

struct fake_row {
    uint32_t relation;
    uint32_t key_count;
    char keys[SV_KEYS_MAX][FAKE_TEXT_MAX];
    char value[FAKE_TEXT_MAX];
    uint64_t version;
    bool deleted;
};

struct fake_store {
    struct fake_row rows[FAKE_ROWS_MAX];
    uint32_t count;
    uint64_t version;
};

struct fake_write {
    struct fake_row row;
    uint32_t level;
};

struct fake {
    struct sv_source source;
    struct fake_store *store;
    struct fake_write staged[FAKE_STAGED_MAX];
    uint32_t staged_count;
    uint32_t reads; /* and lists */
    /* What goes wrong: returned once where not 0, then cleared. */
    int fail_read;
    int fail_after_visit;
    int fail_write;
    int fail_commit;
    int fail_begin;
    int fail_release;
    void (*meanwhile)(struct sv_backend *self, void *argument);
    void *argument;
    char log[512]; /* what the source was told of transactions: "b2 r2 x2 c r" */
};

static inline int take_failure(int *failure)
{
    const int result = *failure;
    *failure = 0;
    return result;
}

static inline struct fake *fake_of(struct sv_source *source)
{
    return source->context;
}

static inline void fake_note(struct fake *fake, char what, uint32_t level)
{
    const size_t used = strlen(fake->log);
    snprintf(fake->log + used, sizeof(fake->log) - used, level > 0 ? "%c%u " : "%c ", what, level);
}

/* ---- keys and rows ---------------------------------------------------------------------- */

static inline struct sv_keys keys_of(uint32_t count, const char *const *text)
{
    struct sv_keys keys = {.count = count};
    for (uint32_t i = 0; i < count; i++) {
        keys.key[i] = (struct sv_key){.data = text[i], .size_bytes = (uint32_t)strlen(text[i])};
    }
    return keys;
}

#define KEYS(...)                                                              \
    keys_of(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), \
            (const char *const[]){__VA_ARGS__})

static inline bool fake_begins_with(const struct fake_row *row, uint32_t relation,
                                    const struct sv_keys *keys)
{
    if (row->relation != relation || row->key_count < keys->count) {
        return false;
    }
    for (uint32_t i = 0; i < keys->count; i++) {
        if (strlen(row->keys[i]) != keys->key[i].size_bytes ||
            memcmp(row->keys[i], keys->key[i].data, keys->key[i].size_bytes) != 0) {
            return false;
        }
    }
    return true;
}

static inline struct fake_row fake_row_of(uint32_t relation, const struct sv_keys *keys,
                                          const char *value, size_t value_bytes)
{
    struct fake_row row = {.relation = relation, .key_count = keys->count};
    for (uint32_t i = 0; i < keys->count; i++) {
        memcpy(row.keys[i], keys->key[i].data, keys->key[i].size_bytes);
    }
    row.deleted = value == NULL;
    if (value != NULL) {
        memcpy(row.value, value, value_bytes);
    }
    return row;
}

static inline void store_put(struct fake_store *store, const struct fake_row *row)
{
    uint32_t i = 0;
    const struct sv_keys keys =
        keys_of(row->key_count,
                (const char *const[]){row->keys[0], row->keys[1], row->keys[2], row->keys[3]});
    while (i < store->count && (store->rows[i].key_count != row->key_count ||
                                !fake_begins_with(&store->rows[i], row->relation, &keys))) {
        i++;
    }
    cr_assert_lt(i, FAKE_ROWS_MAX);
    store->count = i == store->count ? i + 1 : store->count;
    store->rows[i] = *row;
    store->rows[i].version = store->version;
}

static inline struct fake_store *store_new(void)
{
    struct fake_store *store = calloc(1, sizeof(*store));
    cr_assert_not_null(store);
    return store;
}

/* Somebody commits: the row is this, or (value NULL) gone. No message is sent. */
static inline void store_set(struct fake_store *store, uint32_t relation, struct sv_keys keys,
                             const char *value)
{
    const struct fake_row row =
        fake_row_of(relation, &keys, value, value != NULL ? strlen(value) : 0);
    store->version++;
    store_put(store, &row);
}

/* ---- the source ------------------------------------------------------------------------- */

static inline int fake_visit(sv_row_visit visit, void *argument, const struct fake_row *row)
{
    const struct sv_keys keys =
        keys_of(row->key_count,
                (const char *const[]){row->keys[0], row->keys[1], row->keys[2], row->keys[3]});
    const struct sv_tuple tuple = {
        .data = row->value,
        .size_bytes = (uint32_t)strlen(row->value),
        .version = row->version,
    };
    return visit(argument, &keys, &tuple);
}

static inline void fake_interlude(struct fake *fake, struct sv_backend *self)
{
    void (*meanwhile)(struct sv_backend *, void *) = fake->meanwhile;
    if (meanwhile != NULL) {
        meanwhile(self, fake->argument);
    }
}

/* Is the row overwritten by what this transaction staged from one write on? */
static inline bool fake_staged(const struct fake *fake, const struct fake_row *row, uint32_t from)
{
    const struct sv_keys keys =
        keys_of(row->key_count,
                (const char *const[]){row->keys[0], row->keys[1], row->keys[2], row->keys[3]});
    for (uint32_t i = from; i < fake->staged_count; i++) {
        if (fake_begins_with(&fake->staged[i].row, row->relation, &keys)) {
            return true;
        }
    }
    return false;
}

/* What a reader sees of these keys, at most FAKE_ROWS_MAX rows, copied. */
static inline uint32_t fake_select(const struct fake *fake, uint32_t relation,
                                   const struct sv_keys *keys, struct fake_row *rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fake->store->count; i++) {
        const struct fake_row *row = &fake->store->rows[i];
        if (!row->deleted && fake_begins_with(row, relation, keys) && !fake_staged(fake, row, 0)) {
            rows[count++] = *row;
        }
    }
    for (uint32_t i = 0; i < fake->staged_count; i++) {
        const struct fake_row *row = &fake->staged[i].row;
        if (!row->deleted && fake_begins_with(row, relation, keys) &&
            !fake_staged(fake, row, i + 1)) {
            rows[count++] = *row;
        }
    }
    return count;
}

/* What a read is about. */
struct fake_query {
    uint32_t relation;
    const struct sv_keys *keys;
    sv_row_visit visit;
    void *argument;
};

/* Returns: 0 and *count rows visited; what went wrong. */
static inline int fake_read_rows(struct fake *fake, struct sv_backend *self,
                                 const struct fake_query *query, uint32_t *count)
{
    static struct fake_row buffers[8][FAKE_ROWS_MAX]; /* meanwhile may read, too */
    static uint32_t depth;
    cr_assert_lt(depth, 8);
    struct fake_row *rows = buffers[depth];
    *count = 0;
    fake->reads++;
    int result = take_failure(&fake->fail_read);
    if (result != 0) {
        return result;
    }
    *count = fake_select(fake, query->relation, query->keys, rows);
    depth++;
    fake_interlude(fake, self);
    for (uint32_t i = 0; i < *count && result == 0; i++) {
        result = fake_visit(query->visit, query->argument, &rows[i]);
    }
    depth--;
    return result != 0 ? result : take_failure(&fake->fail_after_visit);
}

static inline int fake_read(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                            const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    uint32_t count;
    const struct fake_query query = {relation, keys, visit, argument};
    const int result = fake_read_rows(fake_of(source), self, &query, &count);
    return result == 0 && count == 0 ? SV_NOT_FOUND : result;
}

static inline int fake_list(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                            const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    uint32_t count;
    const struct fake_query query = {relation, keys, visit, argument};
    return fake_read_rows(fake_of(source), self, &query, &count);
}

static inline int fake_write(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                             const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct fake *fake = fake_of(source);
    const int result = take_failure(&fake->fail_write);
    if (result != 0) {
        return result;
    }
    cr_assert_lt(fake->staged_count, FAKE_STAGED_MAX);
    const struct fake_row row = fake_row_of(relation, keys, tuple != NULL ? tuple->data : NULL,
                                            tuple != NULL ? tuple->size_bytes : 0);
    fake->staged[fake->staged_count++] =
        (struct fake_write){.row = row, .level = sv_transaction_level(self)};
    return 0;
}

static inline int fake_begin(struct sv_source *source, struct sv_backend *self, uint32_t level)
{
    (void)self;
    const int result = take_failure(&fake_of(source)->fail_begin);
    fake_note(fake_of(source), result != 0 ? 'B' : 'b', level);
    return result;
}

static inline int fake_release(struct sv_source *source, struct sv_backend *self, uint32_t level)
{
    struct fake *fake = fake_of(source);
    const int result = take_failure(&fake->fail_release);
    (void)self;
    fake_note(fake, result != 0 ? 'R' : 'r', level);
    for (uint32_t i = 0; i < fake->staged_count && result == 0; i++) {
        if (fake->staged[i].level == level) {
            fake->staged[i].level = level - 1;
        }
    }
    return result;
}

static inline void fake_undo(struct sv_source *source, struct sv_backend *self, uint32_t level)
{
    struct fake *fake = fake_of(source);
    (void)self;
    fake_note(fake, 'x', level);
    while (fake->staged_count > 0 && fake->staged[fake->staged_count - 1].level >= level) {
        fake->staged_count--;
    }
}

static inline int fake_commit(struct sv_source *source, struct sv_backend *self, uint64_t *version)
{
    struct fake *fake = fake_of(source);
    const int result = take_failure(&fake->fail_commit);
    (void)self;
    fake_note(fake, result != 0 ? 'C' : 'c', 0);
    if (result != 0) {
        return result;
    }
    *version = ++fake->store->version;
    for (uint32_t i = 0; i < fake->staged_count; i++) {
        store_put(fake->store, &fake->staged[i].row);
    }
    fake->staged_count = 0;
    return 0;
}

static inline void fake_rollback(struct sv_source *source, struct sv_backend *self)
{
    (void)self;
    fake_note(fake_of(source), 'x', 0);
    fake_of(source)->staged_count = 0;
}

/* A fake over store; lives as long as the test. */
static inline struct fake *fake_open(struct fake_store *store)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    cr_assert_not_null(fake);
    fake->store = store;
    fake->source = (struct sv_source){
        .name = "fake",
        .context = fake,
        .read = fake_read,
        .list = fake_list,
        .write = fake_write,
        .subtransaction_begin = fake_begin,
        .subtransaction_release = fake_release,
        .subtransaction_rollback = fake_undo,
        .commit = fake_commit,
        .rollback = fake_rollback,
    };
    return fake;
}

/* ---- a cache over it, and what it should say ---------------------------------------------- */

#define RELATION 7

static inline struct sv_catcache *cache_over(struct sv_backend *self, struct fake *fake,
                                             uint32_t key_count, uint32_t entries_max)
{
    struct sv_catcache *cache = NULL;
    const struct sv_catcache_options options = {
        .cache = RELATION,
        .relation = RELATION,
        .key_count = key_count,
        .entries_max = entries_max,
        .source = &fake->source,
    };
    cr_assert_eq(sv_catcache_create(self, &options, &cache), 0);
    return cache;
}

/* What a search finds: the value, in storage of the caller's, or NULL. */
static inline const char *value_of(struct sv_backend *self, struct sv_catcache *cache,
                                   struct sv_keys keys, char text[FAKE_TEXT_MAX])
{
    struct sv_cache_entry *entry = NULL;
    const int result = sv_cache_search(self, cache, &keys, &entry);
    if (result == SV_NOT_FOUND) {
        cr_assert_null(entry);
        return NULL;
    }
    cr_assert_eq(result, 0, "sv_cache_search gives %d", result);
    const struct sv_tuple *tuple = sv_cache_tuple(entry);
    cr_assert_lt(tuple->size_bytes, FAKE_TEXT_MAX);
    memcpy(text, tuple->data, tuple->size_bytes);
    text[tuple->size_bytes] = '\0';
    sv_cache_release(self, entry);
    return text;
}

/* expected NULL: there must be no such row. */
#define ASSERT_VALUE(self, cache, keys, expected)                                     \
    do {                                                                              \
        char text_[FAKE_TEXT_MAX];                                                    \
        const char *expected_ = (expected);                                           \
        const char *found_ = value_of(self, cache, keys, text_);                      \
        cr_assert((found_ == NULL) == (expected_ == NULL) &&                          \
                      (found_ == NULL || strcmp(found_, expected_) == 0),             \
                  "expected %s, found %s", expected_ != NULL ? expected_ : "nothing", \
                  found_ != NULL ? found_ : "nothing");                               \
    } while (0)

static inline struct sv_catcache_state state_of(const struct sv_catcache *cache)
{
    struct sv_catcache_state state;
    sv_catcache_look(cache, &state);
    return state;
}

static inline struct sv_message about_row(struct sv_keys keys)
{
    return (struct sv_message){
        .kind = SV_MESSAGE_CATCACHE,
        .catcache = {.cache = RELATION, .hash = sv_keys_hash(&keys)},
    };
}

/* Somebody else commits the row and tells everybody. */
static inline void commit_elsewhere(struct sv_backend *other, struct fake_store *store,
                                    struct sv_keys keys, const char *value)
{
    const struct sv_message message = about_row(keys);
    store_set(store, RELATION, keys, value);
    sv_send_messages(other, &message, 1);
}

static inline struct sv_tuple tuple_of(const char *value)
{
    return (struct sv_tuple){.data = value, .size_bytes = (uint32_t)strlen(value)};
}

static inline int write_row(struct sv_backend *self, struct fake *fake, struct sv_keys keys,
                            const char *value)
{
    const struct sv_tuple tuple = tuple_of(value != NULL ? value : "");
    return sv_source_write(self, &fake->source, RELATION, &keys, value != NULL ? &tuple : NULL);
}

static inline void accept_all(struct sv_backend *self)
{
    const int result = sv_accept_messages(self);
    cr_assert_eq(result, 0, "sv_accept_messages gives %d", result);
}

#endif
