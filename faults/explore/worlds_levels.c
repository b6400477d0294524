/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A world of transactions, one after another, with commands and levels: each of two backends has a
 * cache; what one has written itself it finds from the end of the command on, until that level is
 * rolled back; what the other has written, once it is committed, and nothing else.
 */
#include <string.h>

#include "faults/explore/worlds.h"
#include "shm/segment.h"
#include "sinval/catcache.h"

/*
 * Row TRANSACTOR is written in levels, row OTHER in one piece. notes[row]: what it holds after the
 * last commit that has returned; notes[SEEN + row]: and what it was when the other one looked last;
 * notes[PUBLISHED]: messages sent when it begins; notes[SENT]: and by commits since.
 */
enum { TRANSACTOR, OTHER, ROWS, RELATION = 1, SEEN = ROWS, PUBLISHED = 4, SENT };

/* What row TRANSACTOR holds: at first, committed, rolled back (from UNDONE to DROPPED), committed. */
enum { FIRST = 1, KEPT = 10, UNDONE, COMMANDED, AGAIN, DROPPED, LAST = 20 };

static struct sv_keys key_of(const uint32_t *row)
{
    return (struct sv_keys){.count = 1, .key = {{.data = row, .size_bytes = sizeof(*row)}}};
}

static void write_row(const struct world *world, uint32_t row, uint64_t value)
{
    const struct sv_keys keys = key_of(&row);
    const struct sv_tuple tuple = {.data = &value, .size_bytes = sizeof(value)};

    world_must(sv_source_write(world->state.backends[row], world->state.sources[row], RELATION,
                               &keys, &tuple),
               "write");
}

static uint64_t published(const struct world *world)
{
    return sv_load_relaxed64(&world->segment->queue->published);
}

static void prepare_levels(struct world *world, uint32_t backend)
{
    struct sv_backend *self = world->state.backends[backend];

    world_must(sv_table_open(self, &world->state.sources[backend]), "open");
    const struct sv_catcache_options options = {.cache = RELATION,
                                                .relation = RELATION,
                                                .key_count = 1,
                                                .source = world->state.sources[backend]};
    world_must(sv_catcache_create(self, &options, &world->state.caches[backend]), "a cache");
    world_must(sv_transaction_begin(self, NULL), "begin");
    write_row(world, backend, FIRST);
    world_must(sv_transaction_commit(self), "commit");
    world->state.notes[backend] = FIRST;
    world->state.notes[PUBLISHED] = published(world);
}

static uint64_t search(const struct world *world, uint32_t backend, uint32_t row)
{
    struct sv_backend *self = world->state.backends[backend];
    const struct sv_keys keys = key_of(&row);
    struct sv_cache_entry *entry;
    uint64_t value;

    world_must(sv_cache_search(self, world->state.caches[backend], &keys, &entry), "search");
    memcpy(&value, sv_cache_tuple(entry)->data, sizeof(value));
    sv_cache_release(self, entry);
    return value;
}

/* One's own row needs no accept: nobody else writes it. */
static void check_own(const struct world *world, uint64_t right)
{
    const uint64_t value = search(world, TRANSACTOR, TRANSACTOR);

    if (value != right) {
        machine_fail(ORACLE_O1, "backend %d reads %llu of its own row, which it has made %llu",
                     TRANSACTOR, (unsigned long long)value, (unsigned long long)right);
    }
}

/* The row that is the other one's. */
static void check_other(struct world *world, uint32_t backend)
{
    const uint32_t row = backend == TRANSACTOR ? OTHER : TRANSACTOR;
    const uint64_t committed = world->state.notes[SEEN + row] = world->state.notes[row];

    world_must(sv_accept_messages(world->state.backends[backend]), "accept");
    const uint64_t value = search(world, backend, row);
    if (value < committed) {
        machine_fail(ORACLE_O1,
                     "backend %u reads %llu of row %u after an accept that began when %llu was "
                     "committed",
                     backend, (unsigned long long)value, row, (unsigned long long)committed);
    }
    if (value >= UNDONE && value <= DROPPED) {
        machine_fail(ORACLE_O1, "backend %u reads %llu of row %u, which nobody has committed",
                     backend, (unsigned long long)value, row);
    }
}

/* After so many commands of which something is left. */
static void commit(struct world *world, uint32_t row, uint64_t value, uint32_t commands)
{
    world_must(sv_transaction_commit(world->state.backends[row]), "commit");
    world->state.notes[row] = value;
    world->state.notes[SENT] += commands;
}

/* Two commands, the second one in a level that is rolled back. */
static void commit_first_command(struct world *world, struct sv_backend *self)
{
    world_must(sv_transaction_begin(self, NULL), "begin");
    write_row(world, TRANSACTOR, KEPT);
    world_must(sv_command_end(self), "command end");
    check_own(world, KEPT);
    world_must(sv_subtransaction_begin(self), "a level");
    write_row(world, TRANSACTOR, UNDONE);
    world_must(sv_command_end(self), "command end");
    check_own(world, UNDONE);
    sv_subtransaction_rollback(self);
    check_own(world, KEPT);
    commit(world, TRANSACTOR, KEPT, 1);
}

/* What a level has handed to its parent is rolled back with that. */
static void roll_back_all(struct world *world, struct sv_backend *self)
{
    const uint64_t before = world->state.notes[TRANSACTOR];

    world_must(sv_transaction_begin(self, NULL), "begin");
    check_own(world, before);
    write_row(world, TRANSACTOR, COMMANDED);
    world_must(sv_command_end(self), "command end");
    check_own(world, COMMANDED);
    write_row(world, TRANSACTOR, AGAIN);
    world_must(sv_command_end(self), "command end");
    check_own(world, AGAIN);
    world_must(sv_subtransaction_begin(self), "a level");
    write_row(world, TRANSACTOR, DROPPED);
    world_must(sv_subtransaction_release(self), "release");
    check_own(world, DROPPED);
    sv_transaction_rollback(self);
    check_own(world, before);
}

/* A commit ends the last command. */
static void commit_at_once(struct world *world, struct sv_backend *self)
{
    world_must(sv_transaction_begin(self, NULL), "begin");
    check_own(world, world->state.notes[TRANSACTOR]);
    write_row(world, TRANSACTOR, LAST);
    commit(world, TRANSACTOR, LAST, 1);
    check_own(world, LAST);
}

static void run_levels(struct world *world, uint32_t backend)
{
    static void (*const transactions[])(struct world *, struct sv_backend *) = {
        commit_first_command, roll_back_all, commit_at_once};
    struct sv_backend *self = world->state.backends[backend];

    for (uint32_t i = 0; i < 3 && world_goes_on(world, backend); i++) {
        if (backend == TRANSACTOR) {
            transactions[i](world, self);
        } else if (i == 1) {
            world_must(sv_transaction_begin(self, NULL), "begin");
            write_row(world, OTHER, FIRST + 1);
            commit(world, OTHER, FIRST + 1, 1);
        }
        check_other(world, backend);
    }
}

static int keep_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    memcpy(argument, tuple->data, sizeof(uint64_t));
    return 0;
}

static void judge_levels(struct world *world)
{
    const uint64_t sent = published(world) - world->state.notes[PUBLISHED];

    if (machine_dead() == 0 && sent != world->state.notes[SENT]) {
        machine_fail(ORACLE_O2, "all is over, and %llu messages were sent, of %llu commands",
                     (unsigned long long)sent, (unsigned long long)world->state.notes[SENT]);
    }
    for (uint32_t backend = 0; backend < ROWS; backend++) {
        if (machine_is_dead(backend)) {
            continue;
        }
        machine_become(backend);
        check_other(world, backend);
        for (uint32_t row = 0; row < ROWS; row++) {
            struct sv_source *source = world->state.sources[backend];
            const struct sv_keys keys = key_of(&row);
            uint64_t truth = 0;
            world_must(source->read(source, world->state.backends[backend], RELATION, &keys,
                                    keep_value, &truth),
                       "read");
            const uint64_t value = search(world, backend, row);
            if (value != truth) {
                machine_fail(ORACLE_O1,
                             "all is over, and backend %u still reads %llu of row %u: it is %llu",
                             backend, (unsigned long long)value, row, (unsigned long long)truth);
            }
        }
    }
}

const struct world_kind world_levels = {
    .name = "levels",
    .about = "three transactions, one after another, with commands and levels; one that looks on",
    .config = {.backends_max = 2,
               .capacity = 8,
               .intent_max = 2,
               .table_rows_max = 4,
               .table_value_max = 8,
               .table_writes_max = 2},
    .backends = 2,
    .reads_itself = true,
    .prepare = prepare_levels,
    .run = run_levels,
    .judge = judge_levels,
};
