/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds of accepting: what user's code is told, and what it sees of a whole commit.
 */
#include <errno.h>
#include <string.h>

#include "cache/table.h"
#include "faults/explore/worlds.h"
#include "sinval/catcache.h"

/* ---- callbacks: an error in one loses nothing ------------------------------------------------ */

/*
 * The reader has two callbacks, each with books of its own. notes[0]: the first one has refused a
 * reset, which it does once.
 */
enum { READER = 1, SECOND_BOOKS = 2 };

static void take_for(struct world *world, uint32_t reader, const struct sv_message *message)
{
    if (message != NULL) {
        books_take(&world->state.books, reader, message);
    } else {
        books_sync(&world->state.books, reader);
    }
}

static int take_or_refuse(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct world *world = argument;

    (void)self;
    if (message == NULL && world->state.notes[0]++ == 0) {
        return -EAGAIN;
    }
    take_for(world, READER, message);
    return 0;
}

static int take_second(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    (void)self;
    take_for(argument, SECOND_BOOKS, message);
    return 0;
}

static void prepare_callbacks(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];

    if (backend == READER) {
        world->error = sv_callback_register(self, SV_MESSAGE_APPLICATION, take_or_refuse, world);
        if (world->error == 0) {
            world->error = sv_callback_register(self, SV_MESSAGE_APPLICATION, take_second, world);
        }
    }
}

static void run_callbacks(struct world *world, uint32_t backend)
{
    if (backend != READER) {
        for (uint32_t i = 0; i < 6 && world_goes_on(world, backend); i++) {
            world_insert(world, backend, 1);
        }
        return;
    }
    for (uint32_t i = 0; i < 3 && world_goes_on(world, backend); i++) {
        const int result = sv_accept_messages(world->state.backends[backend]);
        if (result != 0 && result != -EAGAIN) {
            machine_fail(ORACLE_O2, "backend %u cannot accept: %d", backend, result);
        }
    }
}

static void judge_callbacks(struct world *world)
{
    int result = -EAGAIN;

    if (machine_is_dead(READER)) {
        return;
    }
    machine_become(READER);
    for (uint32_t tries = 0; tries < 3 && result == -EAGAIN; tries++) {
        result = sv_accept_messages(world->state.backends[READER]);
    }
    if (result != 0) {
        machine_fail(ORACLE_O4, "all is over, and backend %d cannot accept: %d", READER, result);
    }
    books_complete(&world->state.books, READER);
    books_complete(&world->state.books, SECOND_BOOKS);
}

const struct world_kind world_callbacks = {
    .name = "callbacks",
    .about = "a ring of 4: one writer of 6 messages, two callbacks, one refuses a reset once",
    .config = {.backends_max = 2, .capacity = 4, .wraparound = 8, .intent_max = 1},
    .backends = 2,
    .base = 4,
    .reads_itself = true,
    .prepare = prepare_callbacks,
    .run = run_callbacks,
    .judge = judge_callbacks,
};

/* ---- table: two rows that are committed together --------------------------------------------- */

/*
 * One that lists them, directly and from a cache. notes[0]: a commit has returned; 1: before the
 * accept.
 */
enum { RELATION = 1, ROWS = 2, LISTER = 2 };

/* A source that accepts when it has listed: what comes in then makes the list stale. */
static int list_and_accept(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                           const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    struct sv_source *table = source->context;
    const int result = table->list(table, self, relation, keys, visit, argument);

    world_must(sv_accept_messages(self), "accept");
    return result;
}

static void prepare_table(struct world *world, uint32_t backend)
{
    world_must(sv_table_open(world->state.backends[backend], &world->state.sources[backend]),
               "open");
    if (backend == LISTER) {
        const struct sv_catcache_options options = {.cache = RELATION,
                                                    .relation = RELATION,
                                                    .key_count = 2,
                                                    .source = &world->state.accepting};
        world->state.accepting = (struct sv_source){
            .name = "accepting", .context = world->state.sources[backend], .list = list_and_accept};
        world_must(sv_catcache_create(world->state.backends[backend], &options,
                                      &world->state.caches[LISTER]),
                   "a cache");
    }
}

/* Keys: RELATION, then the row; so the first one alone names all rows. */
static struct sv_keys key_of(const uint32_t *row, uint32_t count)
{
    static const uint32_t all = RELATION;

    return (struct sv_keys){.count = count,
                            .key = {{.data = &all, .size_bytes = sizeof(all)},
                                    {.data = row, .size_bytes = sizeof(*row)}}};
}

static void commit_rows(struct world *world, uint32_t backend, uint64_t value)
{
    struct sv_backend *self = world->state.backends[backend];
    const struct sv_tuple tuple = {.data = &value, .size_bytes = sizeof(value)};

    world_must(sv_transaction_begin(self, NULL), "begin");
    for (uint32_t row = 0; row < ROWS; row++) {
        const struct sv_keys keys = key_of(&row, 2);
        world_must(sv_source_write(self, world->state.sources[backend], RELATION, &keys, &tuple),
                   "write");
    }
    world_must(sv_transaction_commit(self), "commit");
    world->state.notes[0] = 1;
}

struct listed {
    uint32_t count;
    uint64_t values[ROWS];
};

static int add_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct listed *listed = argument;

    (void)keys;
    if (listed->count < ROWS) {
        memcpy(&listed->values[listed->count], tuple->data, sizeof(uint64_t));
    }
    listed->count++;
    return 0;
}

static struct listed list_rows(struct world *world, uint32_t backend)
{
    struct sv_source *source = world->state.sources[backend];
    const uint32_t any = 0;
    const struct sv_keys keys = key_of(&any, 1);
    struct listed listed = {0};

    world_must(
        source->list(source, world->state.backends[backend], RELATION, &keys, add_value, &listed),
        "list");
    return listed;
}

/* A commit is there as a whole or not at all. */
static void check_table(struct world *world, uint32_t backend)
{
    const struct listed listed = list_rows(world, backend);

    if ((listed.count != 0 && listed.count != ROWS) || listed.values[0] != listed.values[1]) {
        machine_fail(ORACLE_O1, "backend %u reads half a commit: %u rows, of %llu and %llu",
                     backend, listed.count, (unsigned long long)listed.values[0],
                     (unsigned long long)listed.values[1]);
    }
}

/* What a cached list holds after an accept. */
static struct listed cached_rows(struct world *world)
{
    struct sv_backend *self = world->state.backends[LISTER];
    const uint32_t any = 0;
    const struct sv_keys keys = key_of(&any, 1);
    const uint64_t committed = world->state.notes[1] = world->state.notes[0];
    struct sv_cache_list *list;
    struct listed listed = {0};

    world_must(sv_accept_messages(self), "accept");
    world_must(sv_cache_search_list(self, world->state.caches[LISTER], &keys, &list), "list");
    for (uint32_t i = 0; i < sv_cache_list_count(list); i++) {
        (void)add_value(&listed, NULL, sv_cache_list_tuple(list, i));
    }
    sv_cache_list_release(self, list);
    if (committed != 0 && listed.count == 0) {
        machine_fail(ORACLE_O1,
                     "backend %d lists no rows after an accept that began when there "
                     "were some",
                     LISTER);
    }
    return listed;
}

static void run_table(struct world *world, uint32_t backend)
{
    for (uint64_t i = 1; i <= 2 && world_goes_on(world, backend); i++) {
        if (backend == LISTER) {
            check_table(world, backend);
            (void)cached_rows(world);
        } else {
            commit_rows(world, backend, 2 * i + backend);
        }
    }
}

/* T5 of src/cache/table.c: no row is there that nobody has written. */
static void judge_rows(const struct world *world)
{
    const struct sv_table_view view = sv_table_view(world->segment);
    uint32_t used = 0;

    for (uint32_t i = 0; i < view.rows_max; i++) {
        const struct sv_table_row *row =
            (const struct sv_table_row *)(const void *)(view.rows + i * view.stride);
        used += sv_load_relaxed32(&row->phase) == SV_ROW_USED;
    }
    if (used != sv_load_relaxed32(&view.table->used)) {
        machine_fail(ORACLE_O3, "all is over, and the table counts %u rows of %u",
                     sv_load_relaxed32(&view.table->used), used);
    }
}

static void judge_table(struct world *world)
{
    judge_rows(world);
    for (uint32_t i = 0; i < world->kind->backends; i++) {
        if (!machine_is_dead(i)) {
            machine_become(i);
            check_table(world, i);
        }
    }
    if (!machine_is_dead(LISTER)) {
        machine_become(LISTER);
        const struct listed cached = cached_rows(world);
        const struct listed rows = list_rows(world, LISTER);
        if (cached.count != rows.count || cached.values[0] != rows.values[0]) {
            machine_fail(ORACLE_O1, "all is over, and backend %d still lists %u rows, of %llu",
                         LISTER, cached.count, (unsigned long long)cached.values[0]);
        }
    }
}

const struct world_kind world_table = {
    .name = "table",
    .about = "a table: two writers of two rows together, one that lists them, also from a cache",
    .config = {.backends_max = 3,
               .capacity = 8,
               .intent_max = ROWS,
               .table_rows_max = 4,
               .table_value_max = 8,
               .table_writes_max = ROWS},
    .backends = 3,
    .reads_itself = true,
    .prepare = prepare_table,
    .run = run_table,
    .judge = judge_table,
};
