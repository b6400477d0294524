/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Caches: searches that load, hit, and find nothing; lists; what a message, a reset and a rebuild
 * do; relations that are opened and closed.
 *
 * Caches are private, so no death here leaves anything in the segment but what reading it does: a
 * lock of the table or of the queue held shared, a position that has moved or has not, counters.
 * The rows and everybody else's caches are as they were, nobody is reset, and nobody waits longer
 * than it takes to see that the holder of a lock is dead.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/sweep/operations.h"

enum { RELATION = 77, ABSENT_KEY = 1000000 };

/* ---- searches -------------------------------------------------------------------------------- */

static int open_cache(struct actor *victim)
{
    const int result = actor_open_table(victim);
    return result == 0 ? actor_open_cache(victim) : result;
}

static int search(struct actor *victim, uint32_t key, bool absent)
{
    struct row_keys keys;
    struct sv_cache_entry *entry = NULL;
    row_keys_set(&keys, key);
    const int result = sv_cache_search(victim->self, victim->cache, &keys.keys, &entry);
    if (entry != NULL) {
        sv_cache_release(victim->self, entry);
    }
    return actor_must(victim, "sv_cache_search", absent && result == SV_NOT_FOUND ? 0 : result);
}

/* Dies with the table's lock held shared, at most. */
static int load(struct actor *victim)
{
    return search(victim, 0, false);
}

static int load_absence(struct actor *victim)
{
    return search(victim, ABSENT_KEY, true);
}

static int open_and_load(struct actor *victim)
{
    const int result = open_cache(victim);
    return result == 0 ? load(victim) : result;
}

static int open_and_load_absence(struct actor *victim)
{
    const int result = open_cache(victim);
    return result == 0 ? load_absence(victim) : result;
}

/* Touches nothing that is shared but a counter of its own. */
static int hit(struct actor *victim)
{
    return search(victim, 0, false);
}

static int hit_absence(struct actor *victim)
{
    return search(victim, ABSENT_KEY, true);
}

static int list(struct actor *victim)
{
    struct row_keys keys;
    struct sv_cache_list *found = NULL;
    row_keys_set(&keys, 0);
    keys.keys.count = 1;
    const int result = sv_cache_search_list(victim->self, victim->cache, &keys.keys, &found);
    if (result == 0) {
        sv_cache_list_release(victim->self, found);
    }
    return actor_must(victim, "sv_cache_search_list", result);
}

static int open_and_list(struct actor *victim)
{
    const int result = open_cache(victim);
    return result == 0 ? list(victim) : result;
}

/* ---- accepting ------------------------------------------------------------------------------- */

static int cache_all_rows(struct actor *victim)
{
    const int result = open_cache(victim);
    return result == 0 ? actor_read_rows(victim) : result;
}

/* All rows are cached, and a message about one is in the queue. */
static int have_a_row_told(struct actor *victim)
{
    const int result = cache_all_rows(victim);
    if (result == 0) {
        struct row_keys keys;
        row_keys_set(&keys, 0);
        const struct sv_message message = {
            .kind = SV_MESSAGE_CATCACHE,
            .catcache = {.cache = ROW_RELATION, .hash = sv_keys_hash(&keys.keys)},
        };
        sv_send_messages(victim->self, &message, 1);
    }
    return result;
}

static int have_a_catalog_told(struct actor *victim)
{
    const int result = cache_all_rows(victim);
    if (result == 0) {
        const struct sv_message message = {.kind = SV_MESSAGE_CATALOG,
                                           .relation = {.relation = ROW_RELATION}};
        sv_send_messages(victim->self, &message, 1);
    }
    return result;
}

static int have_everybody_reset(struct actor *victim)
{
    const int result = cache_all_rows(victim);
    if (result == 0) {
        sv_queue_reset_all(victim->self);
    }
    return result;
}

/* What it had read and not done yet was to be done in its own memory only. */
static int accept(struct actor *victim)
{
    return actor_accept(victim);
}

/* ---- relations ------------------------------------------------------------------------------- */

/* The victim's relcache: an object is a copy of the row that it was built of. */
struct relations {
    struct sv_relcache *cache;
    struct sv_relation *held;
};

static int build(struct sv_backend *self, uint32_t relation, void *argument, void **object)
{
    struct actor *victim = argument;
    struct row_keys keys;
    struct sv_cache_entry *entry = NULL;
    row_keys_set(&keys, relation - RELATION);
    int result = sv_cache_search(self, victim->cache, &keys.keys, &entry);
    if (result != 0) {
        return result;
    }
    struct row_value *made = malloc(sizeof(*made));
    struct row_read read = {.key = relation - RELATION};
    if (made != NULL) {
        row_read_take(&read, sv_cache_tuple(entry));
        *made = read.value;
        *object = made;
    } else {
        result = -ENOMEM;
    }
    sv_cache_release(self, entry);
    return result;
}

static void destroy(void *object, void *argument)
{
    (void)argument;
    free(object);
}

static int open_relcache(struct actor *victim)
{
    struct relations *relations = calloc(1, sizeof(*relations));
    const struct sv_relcache_options options = {
        .build = build, .destroy = destroy, .argument = victim};
    const int result = relations != NULL ? open_cache(victim) : -ENOMEM;
    victim->own = relations;
    return result != 0 ? result
                       : actor_must(victim, "sv_relcache_create",
                                    sv_relcache_create(victim->self, &options, &relations->cache));
}

/* Build it if need be; it searches a cache for that, which loads a row. */
static int open_relation(struct actor *victim)
{
    struct relations *relations = victim->own;
    return actor_must(victim, "sv_relation_open",
                      sv_relation_open(victim->self, relations->cache, RELATION, &relations->held));
}

static int hold_relation(struct actor *victim)
{
    const int result = open_relcache(victim);
    return result == 0 ? open_relation(victim) : result;
}

/* Frees it if it is stale, and else keeps it: private. */
static int close_relation(struct actor *victim)
{
    struct relations *relations = victim->own;
    sv_relation_close(victim->self, relations->held);
    relations->held = NULL;
    return 0;
}

/* A relation's message is in the queue, and one for the row that it is built of. */
static void tell_relation(struct actor *victim)
{
    struct row_keys keys;
    row_keys_set(&keys, 0);
    struct sv_message messages[] = {
        {.kind = SV_MESSAGE_CATCACHE,
         .catcache = {.cache = ROW_RELATION, .hash = sv_keys_hash(&keys.keys)}},
        {.kind = SV_MESSAGE_RELCACHE},
    };
    messages[1].relation.relation = RELATION;
    sv_send_messages(victim->self, messages, 2);
}

static int hold_a_stale_relation(struct actor *victim)
{
    const int result = hold_relation(victim);
    if (result == 0) {
        tell_relation(victim);
    }
    return result;
}

static int close_a_stale_relation(struct actor *victim)
{
    int result = hold_a_stale_relation(victim);
    result = result == 0 ? close_relation(victim) : result;
    return result == 0 ? actor_accept(victim) : result;
}

const struct operation operations_cache[] = {
    {
        .name = "cache-load",
        .text = "search that loads a row",
        .prepare = open_cache,
        .run = load,
    },
    {
        .name = "cache-hit",
        .text = "search that finds it",
        .prepare = open_and_load,
        .run = hit,
    },
    {
        .name = "cache-load-absence",
        .text = "search that loads that there is no such row",
        .prepare = open_cache,
        .run = load_absence,
    },
    {
        .name = "cache-hit-absence",
        .text = "search that finds that there is none",
        .prepare = open_and_load_absence,
        .run = hit_absence,
    },
    {
        .name = "list-load",
        .text = "search of a list that loads it",
        .prepare = open_cache,
        .run = list,
    },
    {
        .name = "list-hit",
        .text = "search of a list that finds it",
        .prepare = open_and_list,
        .run = list,
    },
    {
        .name = "accept-row",
        .text = "accept of a message about a cached row",
        .prepare = have_a_row_told,
        .run = accept,
    },
    {
        .name = "accept-catalog",
        .text = "accept of a message about all rows",
        .prepare = have_a_catalog_told,
        .run = accept,
    },
    {
        .name = "accept-reset",
        .text = "accept of a reset",
        .resets = true,
        .prepare = have_everybody_reset,
        .run = accept,
    },
    {
        .name = "accept-rebuild",
        .text = "accept of a message about a held relation, which is rebuilt in place",
        .prepare = hold_a_stale_relation,
        .run = accept,
    },
    {
        .name = "relation-open",
        .text = "open of a relation that is built",
        .prepare = open_relcache,
        .run = open_relation,
    },
    {
        .name = "relation-reopen",
        .text = "open of a relation that is stale, and built again",
        .prepare = close_a_stale_relation,
        .run = open_relation,
    },
    {
        .name = "relation-close",
        .text = "close of a relation",
        .prepare = hold_relation,
        .run = close_relation,
    },
    {0},
};
