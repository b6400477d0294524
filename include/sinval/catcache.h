/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Catcache: rows by their keys, read through, and absence remembered too (PostgreSQL: catcache.c).
 *
 * A cache belongs to one backend. Entries carry reference counts: one that is invalidated while
 * somebody holds it is dead (nobody finds it any more) and freed with its last release. An
 * invalidation that arrives while an entry is being loaded makes that load stale: it is loaded
 * again, never inserted.
 *
 * An entry or list that is overtaken again and again while it is loaded is given to the caller as
 * read last, dead, and not kept.
 *
 * Design and invariants C1..C6: src/cache/catcache.c; lists: src/cache/catlist.c.
 */
#ifndef SINVAL_CATCACHE_H
#define SINVAL_CATCACHE_H

#include "sinval/source.h"

struct sv_catcache;
struct sv_cache_entry;
struct sv_cache_list;

struct sv_catcache_options {
    uint32_t cache;       /* its id, as messages name it; unique in the backend; sv_source_write
                             uses the relation's number */
    uint32_t relation;    /* what to read, and what catalog messages name */
    uint32_t key_count;   /* 1 to SV_KEYS_MAX */
    uint32_t entries_max; /* of entries, and of lists; 0: no limit; else the least recently used
                             unpinned ones go first */
    struct sv_source *source;
};

/* Returns: 0; -EEXIST the id is taken; -EINVAL; -ENOMEM. Freed by sv_backend_detach. */
SV_API SV_NODISCARD int sv_catcache_create(struct sv_backend *self,
                                           const struct sv_catcache_options *options,
                                           struct sv_catcache **cache);

/*
 * Find a row, loading it if need be (SearchSysCache). Does not accept messages by itself.
 *
 * Returns:  0             *entry is pinned until sv_cache_release.
 *           SV_NOT_FOUND  there is no such row; *entry is NULL. Remembered as a negative entry.
 *           -EINVAL       as many keys as key_count, in SV_KEY_BYTES_MAX, please.
 *           -errno        the load failed; the cache is as before.
 */
SV_API SV_NODISCARD int sv_cache_search(struct sv_backend *self, struct sv_catcache *cache,
                                        const struct sv_keys *keys, struct sv_cache_entry **entry);

/* The tuple; valid while pinned, also if the entry has died meanwhile. */
SV_API const struct sv_tuple *sv_cache_tuple(const struct sv_cache_entry *entry);

/* Has an invalidation reached it since it was pinned? */
SV_API bool sv_cache_entry_dead(const struct sv_cache_entry *entry);

SV_API void sv_cache_release(struct sv_backend *self, struct sv_cache_entry *entry);

/*
 * All rows whose first keys->count keys are these (SearchSysCacheList), in the order of their
 * keys' bytes. Any invalidation of the cache makes its lists stale.
 *
 * Returns:  0 *list is pinned until sv_cache_list_release, also when empty; -EINVAL; -errno.
 */
SV_API SV_NODISCARD int sv_cache_search_list(struct sv_backend *self, struct sv_catcache *cache,
                                             const struct sv_keys *keys,
                                             struct sv_cache_list **list);
SV_API uint32_t sv_cache_list_count(const struct sv_cache_list *list);
SV_API const struct sv_tuple *sv_cache_list_tuple(const struct sv_cache_list *list, uint32_t index);
SV_API void sv_cache_list_release(struct sv_backend *self, struct sv_cache_list *list);

/* Entries in it now: positive, negative, dead but pinned; and buckets. */
struct sv_catcache_state {
    uint32_t positive;
    uint32_t negative;
    uint32_t dead;
    uint32_t lists;
    uint32_t buckets;
    uint32_t pins;
};

SV_API void sv_catcache_look(const struct sv_catcache *cache, struct sv_catcache_state *state);

#endif
