/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A catcache from inside: its entries and lists, and how both are loaded.
 */
#ifndef SINVAL_CACHE_CATCACHE_H
#define SINVAL_CACHE_CATCACHE_H

#include "cache/inval.h"
#include "cache/keys.h"
#include "cache/shelf.h"
#include "sinval/catcache.h"

/* Something is being read from the source: an invalidation that concerns it makes it stale. */
struct sv_load {
    struct sv_load *outer; /* the load inside which this one runs */
    uint32_t hash;
    bool any; /* a list: every invalidation of the cache concerns it */
    bool stale;
};

struct sv_catcache {
    struct sv_catcache *next; /* in the chain of its id */
    struct sv_catcache_options options;
    struct sv_shelf entries;
    struct sv_shelf lists;
    struct sv_load *loads; /* innermost first */
};

/* What is loaded: an entry or a list. */
struct sv_load_kind {
    /* One reading of the source, into *request. Returns: 0; SV_NOT_FOUND; -errno. */
    int (*read)(struct sv_backend *self, struct sv_catcache *cache, void *request);
    /* Free what a reading has left in *request. */
    void (*discard)(void *request);
};

/*
 * Read until no invalidation came in between, or no repetition is left. *load says what concerns it.
 * Returns: what read returns; load->stale: an invalidation concerned even the last reading.
 */
SV_NODISCARD int sv_catcache_load(struct sv_backend *self, struct sv_catcache *cache,
                                  const struct sv_load_kind *kind, void *request,
                                  struct sv_load *load);

/* What a source may answer, and what its visit was told. */
SV_NODISCARD int sv_catcache_check(const struct sv_catcache *cache, int result, bool list);

/* Frees a list; for its shelf. */
void sv_cache_list_dispose(struct sv_item *item);

#endif
