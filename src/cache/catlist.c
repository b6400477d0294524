/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Lists: all rows that begin with the same keys (PostgreSQL: SearchCatCacheList).
 *
 * A list has copies of its rows. PostgreSQL's lists are made of cache entries, with reference
 * counts in both directions, members dead and alive, and leaks and crashes at each of these seams
 * (7eb5428199, 004a9702e0); copies cost memory and nothing else, and a list that is being built
 * holds nothing that an error would have to give back.
 *
 * Which rows belong to a list no hash tells: a row inserted while the list was being read would be
 * missed by any test of its members (af8cd1639a). So every invalidation of the cache kills all its
 * lists, and makes those that are being loaded stale.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/catcache.h"

#define SV_ROWS_MIN 8

/* A row's copy. */
struct row {
    struct sv_tuple tuple;
    const uint8_t *keys; /* packed */
    uint32_t key_count;
    _Alignas(max_align_t) uint8_t bytes[]; /* the tuple's, then the keys' */
};

struct sv_cache_list {
    struct sv_item item; /* first */
    struct sv_catcache *cache;
    struct row **rows;
    uint32_t row_count;
    uint32_t row_size; /* rows allocated */
    uint32_t key_count;
    uint8_t keys[SV_PACKED_KEYS_MAX];
};

static struct sv_cache_list *list_of(struct sv_item *item)
{
    return (struct sv_cache_list *)item;
}

static void free_rows(struct sv_cache_list *list)
{
    for (uint32_t i = 0; i < list->row_count; i++) {
        free(list->rows[i]);
    }
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
    list->row_size = 0;
}

void sv_cache_list_dispose(struct sv_item *item)
{
    free_rows(list_of(item));
    free(list_of(item));
}

/* ---- loading ---------------------------------------------------------------------------------- */

static struct row *copy_row(const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    const size_t key_bytes = sv_keys_packed_bytes(keys);
    struct row *row = malloc(sizeof(*row) + key_bytes + tuple->size_bytes);
    if (row == NULL) {
        return NULL;
    }
    uint8_t *packed = row->bytes + tuple->size_bytes;
    *row = (struct row){.tuple = *tuple, .keys = packed, .key_count = keys->count};
    sv_keys_pack(keys, packed);
    if (tuple->size_bytes > 0) {
        memcpy(row->bytes, tuple->data, tuple->size_bytes);
    }
    row->tuple.data = row->bytes;
    return row;
}

static int reserve_row(struct sv_cache_list *list)
{
    if (list->row_count < list->row_size) {
        return 0;
    }
    const uint32_t size = list->row_size > 0 ? list->row_size * 2 : SV_ROWS_MIN;
    struct row **rows = realloc(list->rows, size * sizeof(*rows));
    if (rows == NULL) {
        return -ENOMEM;
    }
    list->rows = rows;
    list->row_size = size;
    return 0;
}

static int visit_row(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct sv_cache_list *list = argument;
    if (!sv_keys_valid(keys, list->cache->options.key_count)) {
        return -SV_ECORRUPT;
    }
    struct row *row = reserve_row(list) == 0 ? copy_row(keys, tuple) : NULL;
    if (row == NULL) {
        return -ENOMEM;
    }
    list->rows[list->row_count++] = row;
    return 0;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *const *left = a;
    const struct row *const *right = b;
    return sv_keys_compare((*left)->keys, (*right)->keys, (*left)->key_count);
}

/* The list that is to be loaded, and by which keys. */
struct list_request {
    struct sv_cache_list *list;
    const struct sv_keys *keys;
};

static void discard_rows(void *argument)
{
    struct list_request *request = argument;
    free_rows(request->list);
}

static int read_list(struct sv_backend *self, struct sv_catcache *cache, void *argument)
{
    struct list_request *request = argument;
    struct sv_source *source = cache->options.source;
    const int result = source->list(source, self, cache->options.relation, request->keys, visit_row,
                                    request->list);
    return sv_catcache_check(cache, result, true);
}

/* ---- search ----------------------------------------------------------------------------------- */

static struct sv_cache_list *find(const struct sv_catcache *cache, const struct sv_keys *keys,
                                  uint32_t hash)
{
    for (struct sv_item *item = sv_shelf_bucket(&cache->lists, hash); item != NULL;
         item = item->next) {
        if (item->hash == hash && list_of(item)->key_count == keys->count &&
            sv_keys_match(list_of(item)->keys, keys)) {
            return list_of(item);
        }
    }
    return NULL;
}

static struct sv_cache_list *make_list(struct sv_catcache *cache, const struct sv_keys *keys,
                                       uint32_t hash)
{
    struct sv_cache_list *list = calloc(1, sizeof(*list));
    if (list != NULL) {
        list->item.hash = hash;
        list->item.pins = 1;
        list->cache = cache;
        list->key_count = keys->count;
        sv_keys_pack(keys, list->keys);
    }
    return list;
}

static int pin_list(struct sv_catcache *cache, struct sv_cache_list *found,
                    struct sv_cache_list **list)
{
    sv_shelf_pin(&cache->lists, &found->item);
    *list = found;
    return 0;
}

/* Put what a load made, unless a nested load of the same has put its own meanwhile. */
static int keep(struct sv_catcache *cache, const struct sv_keys *keys, bool stale,
                struct sv_cache_list *made, struct sv_cache_list **list)
{
    struct sv_cache_list *there = stale ? NULL : find(cache, keys, made->item.hash);
    if (there != NULL) {
        sv_cache_list_dispose(&made->item);
        return pin_list(cache, there, list);
    }
    if (made->row_count > 1) {
        qsort(made->rows, made->row_count, sizeof(struct row *), compare_rows);
    }
    if (stale) {
        sv_shelf_put_dead(&cache->lists, &made->item);
    } else {
        sv_shelf_put(&cache->lists, &made->item);
    }
    *list = made;
    return 0;
}

/* Read into made and keep it. */
static int load_list(struct sv_backend *self, struct sv_catcache *cache, const struct sv_keys *keys,
                     struct sv_cache_list *made, struct sv_cache_list **list)
{
    static const struct sv_load_kind kind = {.read = read_list, .discard = discard_rows};
    struct list_request request = {.list = made, .keys = keys};
    struct sv_load load = {.any = true};
    const int result = sv_catcache_load(self, cache, &kind, &request, &load);
    if (result != 0) {
        sv_cache_list_dispose(&made->item);
        return result;
    }
    return keep(cache, keys, load.stale, made, list);
}

int sv_cache_search_list(struct sv_backend *self, struct sv_catcache *cache,
                         const struct sv_keys *keys, struct sv_cache_list **list)
{
    *list = NULL;
    if (keys->count > cache->options.key_count || !sv_keys_valid(keys, keys->count)) {
        return -EINVAL;
    }
    const uint32_t hash = sv_keys_hash_inline(keys);
    struct sv_cache_list *found = find(cache, keys, hash);
    if (found != NULL) {
        sv_stat_add(self->slot, SV_STAT_cache_hits, 1);
        return pin_list(cache, found, list);
    }
    struct sv_cache_list *made = make_list(cache, keys, hash);
    return made != NULL ? load_list(self, cache, keys, made, list) : -ENOMEM;
}

uint32_t sv_cache_list_count(const struct sv_cache_list *list)
{
    return list->row_count;
}

const struct sv_tuple *sv_cache_list_tuple(const struct sv_cache_list *list, uint32_t index)
{
    sv_assert(index < list->row_count, "row %u of a list of %u", index, list->row_count);
    return &list->rows[index]->tuple;
}

void sv_cache_list_release(struct sv_backend *self, struct sv_cache_list *list)
{
    (void)self;
    sv_shelf_release(&list->cache->lists, &list->item);
}
