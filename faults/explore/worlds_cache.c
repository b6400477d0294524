/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of caches: what is read after an accept is not older than what was committed before it
 * (O1).
 *
 * Row w of the table is writer w's, and counts how often it has committed; it may be absent, which
 * counts as 0.
 */
#include <string.h>

#include "faults/explore/worlds.h"
#include "shm/segment.h"
#include "sinval/catcache.h"
#include "sinval/relcache.h"

enum { RELATION = 1, COMMITS = 2, SEEN = 4, SEEN_WITHIN = 6 };

static struct sv_keys key_of(const uint32_t *writer)
{
    return (struct sv_keys){.count = 1, .key = {{.data = writer, .size_bytes = sizeof(*writer)}}};
}

/*
 * notes[w]: what row w holds after the last commit of writer w that has returned;
 * notes[SEEN + w], notes[SEEN_WITHIN]: and what it was when the reader looked last, or looked within
 * a build.
 */
static void commit(struct world *world, uint32_t writer, uint64_t value)
{
    struct sv_backend *self = world->state.backends[writer];
    const struct sv_keys keys = key_of(&writer);
    const struct sv_tuple tuple = {.data = &value, .size_bytes = sizeof(value)};

    world_must(sv_transaction_begin(self, NULL), "begin");
    world_must(sv_source_write(self, world->state.sources[writer], RELATION, &keys, &tuple),
               "write");
    world_must(sv_transaction_commit(self), "commit");
    world->state.notes[writer] = value;
}

static int keep_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    memcpy(argument, tuple->data, sizeof(uint64_t));
    return 0;
}

/* What the table holds, whoever is dead by now. */
static uint64_t truth(struct world *world, uint32_t writer)
{
    struct sv_source *source = world->state.sources[2];
    const struct sv_keys keys = key_of(&writer);
    uint64_t value = 0;

    const int result =
        source->read(source, world->state.backends[2], RELATION, &keys, keep_value, &value);
    world_must(result == SV_NOT_FOUND ? 0 : result, "read");
    return value;
}

/* A source that accepts when it has read, as any may: what comes in then makes the load stale. */
static int read_and_accept(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                           const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    struct sv_source *table = source->context;
    const int result = table->read(table, self, relation, keys, visit, argument);

    world_must(sv_accept_messages(self), "accept");
    return result;
}

static void prepare_sources(struct world *world, uint32_t backend)
{
    world_must(sv_table_open(world->state.backends[backend], &world->state.sources[backend]),
               "open");
    world->state.accepting = (struct sv_source){
        .name = "accepting", .context = world->state.sources[backend], .read = read_and_accept};
    if (backend == 0) {
        commit(world, backend, 1);
    }
}

static void run_writer(struct world *world, uint32_t backend)
{
    for (uint64_t i = 0; i < COMMITS && world_goes_on(world, backend); i++) {
        commit(world, backend, 2 + i);
    }
}

/* ---- cache: one reader with a catcache ------------------------------------------------------- */

static void make_cache(struct world *world, uint32_t backend, uint32_t entries_max)
{
    prepare_sources(world, backend);
    if (backend == 2) {
        struct sv_backend *self = world->state.backends[backend];
        const struct sv_catcache_options options = {.cache = RELATION,
                                                    .relation = RELATION,
                                                    .key_count = 1,
                                                    .entries_max = entries_max,
                                                    .source = &world->state.accepting};
        world_must(sv_accept_messages(self), "accept");
        world_must(sv_catcache_create(self, &options, &world->state.caches[2]), "a cache");
    }
}

static void prepare_cache(struct world *world, uint32_t backend)
{
    make_cache(world, backend, 0);
}

static uint64_t search(struct world *world, uint32_t writer)
{
    struct sv_backend *self = world->state.backends[2];
    const struct sv_keys keys = key_of(&writer);
    struct sv_cache_entry *entry;
    uint64_t value;

    const int result = sv_cache_search(self, world->state.caches[2], &keys, &entry);
    if (result == SV_NOT_FOUND) {
        return 0;
    }
    world_must(result, "search");
    const void *data = sv_cache_tuple(entry)->data;
    memcpy(&value, data, sizeof(value));
    world_must(sv_accept_messages(self), "accept");
    if (memcmp(&value, data, sizeof(value)) != 0) {
        machine_fail(ORACLE_O1, "backend 2 holds an entry of row %u, and it changes", writer);
    }
    sv_cache_release(self, entry);
    return value;
}

/* What the cache holds after an accept; notes[seen]: and what it must not be older than. */
static uint64_t check_row(struct world *world, uint32_t writer, uint32_t seen)
{
    const uint64_t committed = world->state.notes[seen] = world->state.notes[writer];

    world_must(sv_accept_messages(world->state.backends[2]), "accept");
    const uint64_t value = search(world, writer);
    if (value < committed) {
        machine_fail(ORACLE_O1,
                     "backend 2 reads %llu of row %u after an accept that began when %llu was "
                     "committed",
                     (unsigned long long)value, writer, (unsigned long long)committed);
    }
    return value;
}

static void check_rows(struct world *world)
{
    for (uint32_t writer = 0; writer < 2; writer++) {
        (void)check_row(world, writer, SEEN + writer);
    }
}

static void run_cache(struct world *world, uint32_t backend)
{
    if (backend < 2) {
        run_writer(world, backend);
        return;
    }
    for (int i = 0; i < 3 && world_goes_on(world, backend); i++) {
        check_rows(world);
    }
}

/* One entry of each row is kept, as far as there may be so many. */
static void judge_entries(struct world *world, uint32_t entries)
{
    struct sv_catcache_state look;

    sv_catcache_look(world->state.caches[2], &look);
    if (look.positive + look.negative != entries || look.pins != 0) {
        machine_fail(ORACLE_O1, "all is over, and the cache holds %u entries, not %u, and %u pins",
                     look.positive + look.negative, entries, look.pins);
    }
}

static void judge_rows(struct world *world, uint32_t entries)
{
    if (machine_is_dead(2)) {
        return;
    }
    machine_become(2);
    check_rows(world);
    judge_entries(world, entries);
    for (uint32_t writer = 0; writer < 2; writer++) {
        const uint64_t value = search(world, writer);
        if (value != truth(world, writer)) {
            machine_fail(
                ORACLE_O1, "all is over, and backend 2 still reads %llu of row %u: it is %llu",
                (unsigned long long)value, writer, (unsigned long long)truth(world, writer));
        }
    }
}

static void judge_cache(struct world *world)
{
    judge_rows(world, 2);
}

#define CACHE_CONFIG                                                            \
    {                                                                           \
        .backends_max = 3, .capacity = 8, .intent_max = 2, .table_rows_max = 4, \
        .table_value_max = 8, .table_writes_max = 1                             \
    }

const struct world_kind world_cache = {
    .name = "cache",
    .about = "one cache over a table, two writers of two commits each",
    .config = CACHE_CONFIG,
    .backends = 3,
    .reads_itself = true,
    .prepare = prepare_cache,
    .run = run_cache,
    .judge = judge_cache,
};

/* ---- rebuild: a relation is held while it is rebuilt in place -------------------------------- */

/* The object is what row 0 holds, read through the cache if there is one. */
static int build(struct sv_backend *self, uint32_t relation, void *argument, void **object)
{
    struct world *world = argument;
    struct sv_source *source = &world->state.accepting;
    const uint32_t writer = 0;
    const struct sv_keys keys = key_of(&writer);
    uint64_t *place = &world->state.objects[world->state.builds++ % WORLD_OBJECTS_MAX];

    if (world->state.relation != NULL && *(const uint64_t *)world->state.relation->object == 0) {
        machine_fail(ORACLE_O1, "a relation is held, and destroyed before the new one is there");
    }
    *object = place;
    if (world->state.caches[2] != NULL) {
        *place = check_row(world, writer, SEEN_WITHIN);
        return 0;
    }
    return source->read(source, self, relation, &keys, keep_value, place);
}

static void destroy(void *object, void *argument)
{
    (void)argument;
    *(uint64_t *)object = 0; /* whoever still reads it reads something too old */
}

static void hold_relation(struct world *world, uint32_t backend)
{
    if (backend == 2) {
        struct sv_backend *self = world->state.backends[backend];
        const struct sv_relcache_options options = {
            .build = build, .destroy = destroy, .argument = world};
        world_must(sv_accept_messages(self), "accept");
        world_must(sv_relcache_create(self, &options, &world->state.relcache), "a relcache");
        world_must(sv_relation_open(self, world->state.relcache, RELATION, &world->state.relation),
                   "open");
    }
}

static void prepare_rebuild(struct world *world, uint32_t backend)
{
    prepare_sources(world, backend);
    hold_relation(world, backend);
}

static void commit_relation(struct world *world, uint32_t writer, uint64_t value)
{
    struct sv_backend *self = world->state.backends[writer];
    const struct sv_keys keys = key_of(&writer);
    const struct sv_tuple tuple = {.data = &value, .size_bytes = sizeof(value)};

    world_must(sv_transaction_begin(self, NULL), "begin");
    world_must(sv_source_write(self, world->state.sources[writer], RELATION, &keys, &tuple),
               "write");
    world_must(sv_invalidate_relation(self, RELATION, false), "invalidate");
    world_must(sv_transaction_commit(self), "commit");
    world->state.notes[writer] = value;
}

static void check_relation(struct world *world)
{
    const uint64_t committed = world->state.notes[SEEN] = world->state.notes[0];

    world_must(sv_accept_messages(world->state.backends[2]), "accept");
    const uint64_t value = *(const uint64_t *)world->state.relation->object;
    if (value < committed) {
        machine_fail(ORACLE_O1,
                     "backend 2 holds a relation of %llu after an accept that began when %llu was "
                     "committed",
                     (unsigned long long)value, (unsigned long long)committed);
    }
}

static void run_rebuild(struct world *world, uint32_t backend)
{
    if (backend == 0) {
        for (uint64_t i = 0; i < COMMITS && world_goes_on(world, backend); i++) {
            commit_relation(world, backend, 2 + i);
        }
    } else if (backend == 1) {
        run_writer(world, backend);
    } else {
        for (int i = 0; i < 3 && world_goes_on(world, backend); i++) {
            check_relation(world);
        }
    }
}

static void judge_rebuild(struct world *world)
{
    if (machine_is_dead(2)) {
        return;
    }
    machine_become(2);
    check_relation(world);
    const uint64_t value = *(const uint64_t *)world->state.relation->object;
    if (value != truth(world, 0)) {
        machine_fail(ORACLE_O1,
                     "all is over, and backend 2 still holds a relation of %llu: it is %llu",
                     (unsigned long long)value, (unsigned long long)truth(world, 0));
    }
}

const struct world_kind world_rebuild = {
    .name = "rebuild",
    .about = "a relation is held and rebuilt in place while it changes",
    .config = CACHE_CONFIG,
    .backends = 3,
    .reads_itself = true,
    .prepare = prepare_rebuild,
    .run = run_rebuild,
    .judge = judge_rebuild,
};

/* ---- nested: a load accepts, which rebuilds the relation, which loads ------------------------ */

/*
 * Any commit has it rebuilt, and the cache has room for one row: so what it is built from need not
 * be stale to be loaded, and may be loaded within its own load.
 */
static void prepare_nested(struct world *world, uint32_t backend)
{
    make_cache(world, backend, 1);
    hold_relation(world, backend);
}

static void run_nested(struct world *world, uint32_t backend)
{
    for (uint64_t i = 0; i < COMMITS && world_goes_on(world, backend); i++) {
        if (backend < 2) {
            commit_relation(world, backend, 2 + i);
        } else {
            check_rows(world);
            check_relation(world);
        }
    }
}

static void judge_nested(struct world *world)
{
    judge_rebuild(world);
    judge_rows(world, 1);
}

const struct world_kind world_nested = {
    .name = "nested",
    .about = "a relation that is built through a cache, whose loads accept, and so rebuild it",
    .config = CACHE_CONFIG,
    .backends = 3,
    .reads_itself = true,
    .prepare = prepare_nested,
    .run = run_nested,
    .judge = judge_nested,
};
