/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Catcache: entries, negative entries, and loads that an invalidation makes stale (PostgreSQL:
 * catcache.c). Lists: catlist.c. Where entries stand, pins and the limit: shelf.c.
 *
 * Invariants:
 *   C1  an entry that can be found was read by a load that no invalidation of its hash reached,
 *       and none has reached it since. So a hit after an accept is as fresh as a read of the source.
 *   C2  the same for lists, and any invalidation of the cache.
 *   C3  what is in the cache is complete: an entry is made in full, then put. An error on the way
 *       leaves the cache as it was.
 *   C4  a negative entry is an entry: whatever kills the one kind kills the other.
 *   C5  nothing that was looked up (bucket, entry not pinned) is used after a call of the source.
 *   C6  at most one entry for given keys can be found.
 *
 * C1 rests on the list of loads. A load is on it from before the source is called until after, and
 * each invalidation goes over the list as well as over the entries. PostgreSQL tested whether the
 * row had changed under the load (ad98fb1422), which in-place updates did not show (f9f47f0d93).
 * A source that does not accept is never interrupted; the list is for those that do, and for the
 * callbacks and builds that run then.
 *
 * A row that changes faster than it can be loaded is given to the caller as a dead entry when the
 * repetitions are used up (inval.h): it was read after the search began, which is all that is
 * promised.
 */
#include "cache/catcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/point.h"

/* Value bytes begin at a multiple of this, so that a holder can look at them as a structure. */
#define SV_VALUE_ALIGNMENT 16

struct sv_cache_entry {
    struct sv_item item; /* first */
    struct sv_catcache *cache;
    struct sv_tuple tuple;
    bool negative;
    uint8_t keys[]; /* packed; then, aligned, the tuple's bytes */
};

static struct sv_cache_entry *entry_of(struct sv_item *item)
{
    return (struct sv_cache_entry *)item;
}

static void dispose(struct sv_item *item)
{
    free(entry_of(item));
}

/* ---- caches --------------------------------------------------------------------------------- */

static struct sv_catcache **chain_of(struct sv_backend *self, uint32_t cache)
{
    return &self->inval->caches[cache & (SV_CACHE_CHAINS - 1)];
}

static int check_options(struct sv_backend *self, const struct sv_catcache_options *options)
{
    if (options->key_count == 0 || options->key_count > SV_KEYS_MAX || options->source == NULL) {
        return -EINVAL;
    }
    for (struct sv_catcache *c = *chain_of(self, options->cache); c != NULL; c = c->next) {
        if (c->options.cache == options->cache) {
            return -EEXIST;
        }
    }
    return 0;
}

static void destroy(struct sv_catcache *cache)
{
    sv_shelf_destroy(&cache->entries);
    sv_shelf_destroy(&cache->lists);
    free(cache);
}

int sv_catcache_create(struct sv_backend *self, const struct sv_catcache_options *options,
                       struct sv_catcache **cache)
{
    const int result = check_options(self, options);
    if (result != 0) {
        return result;
    }
    struct sv_catcache *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    made->options = *options;
    if (sv_shelf_init(&made->entries, options->entries_max, dispose) != 0 ||
        sv_shelf_init(&made->lists, options->entries_max, sv_cache_list_dispose) != 0) {
        destroy(made);
        return -ENOMEM;
    }
    struct sv_catcache **chain = chain_of(self, options->cache);
    made->next = *chain;
    *chain = made;
    *cache = made;
    return 0;
}

void sv_catcache_destroy_all(struct sv_backend *self)
{
    for (uint32_t i = 0; i < SV_CACHE_CHAINS; i++) {
        while (self->inval->caches[i] != NULL) {
            struct sv_catcache *cache = self->inval->caches[i];
            self->inval->caches[i] = cache->next;
            destroy(cache);
        }
    }
}

/* ---- invalidation: phase 1 of accepting ------------------------------------------------------- */

static void invalidate_loads(struct sv_catcache *cache, uint32_t hash, bool all)
{
    for (struct sv_load *load = cache->loads; load != NULL; load = load->outer) {
        load->stale |= all || load->any || load->hash == hash;
    }
}

/* Messages come in thousands, and most find nothing here: no call for them. */
static inline void invalidate_hash(struct sv_backend *self, struct sv_catcache *cache,
                                   uint32_t hash)
{
    if (cache->loads != NULL) {
        invalidate_loads(cache, hash, false);
    }
    if (cache->lists.live_count > 0) {
        (void)sv_shelf_kill_all(&cache->lists);
    }
    if (sv_shelf_bucket(&cache->entries, hash) != NULL) {
        const uint32_t killed = sv_shelf_kill_hash(&cache->entries, hash);
        sv_stat_add(self->slot, SV_STAT_cache_invalidated, killed);
    }
}

void sv_catcache_invalidate(struct sv_backend *self, uint32_t cache, uint32_t hash)
{
    for (struct sv_catcache *c = *chain_of(self, cache); c != NULL; c = c->next) {
        if (c->options.cache == cache) {
            invalidate_hash(self, c, hash);
            return;
        }
    }
}

static void invalidate_cache(struct sv_backend *self, struct sv_catcache *cache)
{
    invalidate_loads(cache, 0, true);
    (void)sv_shelf_kill_all(&cache->lists);
    const uint32_t killed = sv_shelf_kill_all(&cache->entries);
    sv_stat_add(self->slot, SV_STAT_cache_invalidated, killed);
}

void sv_catcache_invalidate_relation(struct sv_backend *self, uint32_t relation)
{
    for (uint32_t i = 0; i < SV_CACHE_CHAINS; i++) {
        for (struct sv_catcache *c = self->inval->caches[i]; c != NULL; c = c->next) {
            if (c->options.relation == relation) {
                invalidate_cache(self, c);
            }
        }
    }
}

void sv_catcache_invalidate_all(struct sv_backend *self)
{
    for (uint32_t i = 0; i < SV_CACHE_CHAINS; i++) {
        for (struct sv_catcache *c = self->inval->caches[i]; c != NULL; c = c->next) {
            invalidate_cache(self, c);
        }
    }
}

/* ---- loading ---------------------------------------------------------------------------------- */

int sv_catcache_check(const struct sv_catcache *cache, int result, bool list)
{
    sv_assert(result <= 0 || (result == SV_NOT_FOUND && !list),
              "source %s answers %d when relation %u is read", cache->options.source->name, result,
              cache->options.relation);
    return result;
}

/* One reading, on the list of loads. */
static int read_once(struct sv_backend *self, struct sv_catcache *cache,
                     const struct sv_load_kind *kind, void *request, struct sv_load *load)
{
    load->stale = false;
    load->outer = cache->loads;
    cache->loads = load;
    int result = -EIO;
    if (SV_POINT_ANSWER(cache_load_before) != SV_POINT_FAIL) {
        result = kind->read(self, cache, request);
    }
    SV_POINT(cache_load_after);
    cache->loads = load->outer;
    return result;
}

int sv_catcache_load(struct sv_backend *self, struct sv_catcache *cache,
                     const struct sv_load_kind *kind, void *request, struct sv_load *load)
{
    int result;
    sv_stat_add(self->slot, SV_STAT_cache_misses, 1);
    sv_repeats_enter(self->inval);
    for (;;) {
        result = read_once(self, cache, kind, request, load);
        if (result < 0 || !load->stale || !sv_repeats_take(self->inval)) {
            break;
        }
        kind->discard(request);
        sv_stat_add(self->slot, SV_STAT_cache_reloads, 1);
    }
    sv_repeats_leave(self->inval);
    if (result < 0) {
        kind->discard(request);
    }
    return result;
}

/* ---- search ----------------------------------------------------------------------------------- */

/* What a search wants, and the entry that its load makes. */
struct search {
    struct sv_catcache *cache;
    const struct sv_keys *keys;
    uint32_t hash;
    struct sv_cache_entry *made;
};

/* A new entry, on no shelf; tuple NULL: negative. NULL without memory. */
static struct sv_cache_entry *make_entry(const struct search *search, const struct sv_tuple *tuple)
{
    const size_t header = offsetof(struct sv_cache_entry, keys);
    const size_t keys = sv_keys_packed_bytes(search->keys);
    const size_t value =
        (header + keys + SV_VALUE_ALIGNMENT - 1) / SV_VALUE_ALIGNMENT * SV_VALUE_ALIGNMENT;
    const size_t value_bytes = tuple != NULL ? tuple->size_bytes : 0;
    struct sv_cache_entry *entry = malloc(value + value_bytes);
    if (entry == NULL) {
        return NULL;
    }
    *entry = (struct sv_cache_entry){
        .item = {.hash = search->hash},
        .cache = search->cache,
        .negative = tuple == NULL,
    };
    sv_keys_pack(search->keys, entry->keys);
    if (tuple != NULL) {
        uint8_t *data = (uint8_t *)entry + value;
        if (value_bytes > 0) {
            memcpy(data, tuple->data, value_bytes);
        }
        entry->tuple.data = data;
        entry->tuple.size_bytes = tuple->size_bytes;
        entry->tuple.version = tuple->version;
    }
    return entry;
}

static int visit_row(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct search *search = argument;
    (void)keys;
    sv_assert(search->made == NULL, "source %s visits a row twice",
              search->cache->options.source->name);
    search->made = make_entry(search, tuple);
    return search->made != NULL ? 0 : -ENOMEM;
}

static void discard_entry(void *request)
{
    struct search *search = request;
    free(search->made);
    search->made = NULL;
}

/* An entry is made for an absent row, too. */
static int read_entry(struct sv_backend *self, struct sv_catcache *cache, void *request)
{
    struct search *search = request;
    struct sv_source *source = cache->options.source;
    const int result =
        source->read(source, self, cache->options.relation, search->keys, visit_row, search);
    if (sv_catcache_check(cache, result, false) != SV_NOT_FOUND) {
        sv_assert(result != 0 || search->made != NULL, "source %s reads a row and visits none",
                  source->name);
        return result;
    }
    discard_entry(search);
    search->made = make_entry(search, NULL);
    return search->made != NULL ? 0 : -ENOMEM;
}

static struct sv_cache_entry *find(const struct sv_catcache *cache, const struct sv_keys *keys,
                                   uint32_t hash)
{
    for (struct sv_item *item = sv_shelf_bucket(&cache->entries, hash); item != NULL;
         item = item->next) {
        if (item->hash == hash && sv_keys_match(entry_of(item)->keys, keys)) {
            return entry_of(item);
        }
    }
    return NULL;
}

/* Pin a found entry for the caller. Returns as sv_cache_search. */
static int answer(struct sv_catcache *cache, struct sv_cache_entry *found,
                  struct sv_cache_entry **entry)
{
    sv_shelf_pin(&cache->entries, &found->item);
    if (found->negative) {
        sv_shelf_release(&cache->entries, &found->item); /* has been used: moves to the newest */
        return SV_NOT_FOUND;
    }
    *entry = found;
    return 0;
}

/* Put what a load made, or what a nested load of the same has put meanwhile (C6). */
static int keep(struct sv_catcache *cache, struct search *search, bool stale,
                struct sv_cache_entry **entry)
{
    struct sv_cache_entry *made = search->made;
    struct sv_cache_entry *there = stale ? NULL : find(cache, search->keys, search->hash);
    if (there != NULL) {
        free(made);
        return answer(cache, there, entry);
    }
    sv_assert(made != NULL, "a load of cache %u made nothing", cache->options.cache);
    const bool negative = made->negative;
    if (stale && negative) {
        free(made);
        return SV_NOT_FOUND;
    }
    made->item.pins = negative ? 0 : 1;
    if (stale) {
        sv_shelf_put_dead(&cache->entries, &made->item);
    } else {
        sv_shelf_put(&cache->entries, &made->item);
    }
    if (negative) {
        return SV_NOT_FOUND;
    }
    *entry = made;
    return 0;
}

int sv_cache_search(struct sv_backend *self, struct sv_catcache *cache, const struct sv_keys *keys,
                    struct sv_cache_entry **entry)
{
    *entry = NULL;
    if (!sv_keys_valid(keys, cache->options.key_count)) {
        return -EINVAL;
    }
    struct search search = {.cache = cache, .keys = keys, .hash = sv_keys_hash_inline(keys)};
    struct sv_cache_entry *found = find(cache, keys, search.hash);
    if (found != NULL) {
        sv_stat_add(self->slot, SV_STAT_cache_hits, 1);
        return answer(cache, found, entry);
    }
    static const struct sv_load_kind kind = {.read = read_entry, .discard = discard_entry};
    struct sv_load load = {.hash = search.hash};
    const int result = sv_catcache_load(self, cache, &kind, &search, &load);
    return result != 0 ? result : keep(cache, &search, load.stale, entry);
}

const struct sv_tuple *sv_cache_tuple(const struct sv_cache_entry *entry)
{
    return &entry->tuple;
}

bool sv_cache_entry_dead(const struct sv_cache_entry *entry)
{
    return entry->item.dead;
}

void sv_cache_release(struct sv_backend *self, struct sv_cache_entry *entry)
{
    (void)self;
    sv_shelf_release(&entry->cache->entries, &entry->item);
}

/* ---- looking ---------------------------------------------------------------------------------- */

static void count_entry(struct sv_item *item, void *argument)
{
    struct sv_catcache_state *state = argument;
    state->negative += entry_of(item)->negative;
}

void sv_catcache_look(const struct sv_catcache *cache, struct sv_catcache_state *state)
{
    *state = (struct sv_catcache_state){
        .dead = cache->entries.dead_count,
        .lists = cache->lists.live_count,
        .buckets = cache->entries.bucket_count,
        .pins = cache->entries.pins + cache->lists.pins,
    };
    sv_shelf_each(&cache->entries, count_entry, state);
    state->positive = cache->entries.live_count - state->negative;
}
