/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The same ends and loads over SQLite. Its own locks die with the process, and what it had not
 * committed is in no reader's view: after a death all rows of the transaction are new or none, and
 * where they are new everybody is told. The survivors wait for nobody but each other; when all have
 * left, SQLite's own check finds every page whole.
 *
 * Most of the instructions are SQLite's, on its own memory and on files: beyond the first ones it
 * is killed before and after each of its system calls, and each access to the segment, or to the
 * index of the log that SQLite shares between processes.
 */
#include "tests/sweep/operations.h"
#include "tests/sweep/world.h"

enum { SOME = 20 };

static int begin_and_write(struct actor *victim, uint32_t count, uint32_t delete_every)
{
    int result = actor_open_table(victim);
    result = result == 0 ? actor_begin(victim) : result;
    for (uint32_t i = 1; i <= count && result == 0; i++) { /* not what survivors write */
        result = actor_write(victim, victim->world->keys - i,
                             delete_every != 0 && i % delete_every == 1);
    }
    return result;
}

static int begin_only(struct actor *victim)
{
    return begin_and_write(victim, 0, 0);
}

/*
 * Takes SQLite's write lock, which is free again when the process is gone; nothing is seen of it.
 */
static int write_first(struct actor *victim)
{
    return actor_write(victim, 0, false);
}

static int write_one(struct actor *victim)
{
    return begin_and_write(victim, 1, 0);
}

static int write_some(struct actor *victim)
{
    return begin_and_write(victim, SOME, 5);
}

/* All or nothing, and told if all; as with the table. */
static int commit(struct actor *victim)
{
    return actor_commit(victim);
}

/* Nothing, wherever it dies. */
static int roll_back(struct actor *victim)
{
    sv_transaction_rollback(victim->self);
    return 0;
}

static int open_cache(struct actor *victim)
{
    const int result = actor_open_table(victim);
    return result == 0 ? actor_open_cache(victim) : result;
}

/* Dies with a read transaction open, at most. */
static int load(struct actor *victim)
{
    struct row_keys keys;
    struct sv_cache_entry *entry = NULL;
    row_keys_set(&keys, 0);
    const int result = sv_cache_search(victim->self, victim->cache, &keys.keys, &entry);
    if (entry != NULL) {
        sv_cache_release(victim->self, entry);
    }
    return actor_must(victim, "sv_cache_search", result);
}

const struct operation operations_sqlite[] = {
    {
        .name = "sqlite-load",
        .text = "search that loads a row from SQLite",
        .sqlite = true,
        .prepare = open_cache,
        .run = load,
    },
    {
        .name = "sqlite-write",
        .text = "first write of a transaction, which takes SQLite's lock",
        .sqlite = true,
        .prepare = begin_only,
        .run = write_first,
    },
    {
        .name = "sqlite-commit-1",
        .text = "commit of one row to SQLite",
        .sqlite = true,
        .prepare = write_one,
        .run = commit,
    },
    {
        .name = "sqlite-commit-20",
        .text = "commit of 20 rows to SQLite, four of them deleted",
        .keys = SOME,
        .sqlite = true,
        .prepare = write_some,
        .run = commit,
    },
    {
        .name = "sqlite-rollback",
        .text = "rollback of 20 rows in SQLite",
        .keys = SOME,
        .sqlite = true,
        .prepare = write_some,
        .run = roll_back,
    },
    {0},
};
