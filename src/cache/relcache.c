/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Relcache: objects rebuilt in place while somebody holds them (PostgreSQL: relcache.c).
 *
 * An entry is valid, or on the list of invalid ones. An invalidation only moves it there (phase 1
 * of accepting: no user's code); it becomes valid again in phase 3, or when it is opened. The
 * holder's address stays; its object is exchanged when the new one is complete.
 *
 * Invariants:
 *   R1  an entry is valid only if no invalidation of it came after its last build began. Each
 *       invalidation marks the entry and every build of that relation under way, whichever of the
 *       two is there: PostgreSQL marks the build only if it finds no entry, and so loses what
 *       arrives during a rebuild in place.
 *   R2  the object of a pinned entry is complete: the new one is built aside, and the old one is
 *       destroyed after it has been replaced. An error leaves the old one, and the entry invalid.
 *   R3  an entry under rebuild is pinned by the rebuild, so nothing that happens inside frees it.
 *   R4  an entry is invalid if and only if it is on the list of invalid ones; entries are freed only
 *       when neither pinned nor valid (or dropped).
 *   R5  at most one build of a relation at a time; opening it in the middle is -EDEADLK.
 *   R6  build and destroy are user's code: they may open, close and accept. Whatever was looked up
 *       before is looked up again afterwards; the list is taken from its head, never walked.
 *
 * A relation that goes stale faster than it can be built: when the repetitions are used up (inval.h)
 * open gives what the last build read, which began after open did, and leaves it on the list.
 */
#include "sinval/relcache.h"

#include <errno.h>
#include <stdlib.h>

#include "base/point.h"
#include "cache/inval.h"
#include "cache/shelf.h"

struct entry {
    struct sv_item item;        /* first; its hash is the relation's */
    struct sv_relation visible; /* what holders see */
    struct entry *previous;     /* among the invalid */
    struct entry *following;
    uint64_t tried; /* the pass of phase 3 that last tried it */
    bool valid;
};

/* A build under way; one inside the other. */
struct build {
    struct build *outer;
    uint32_t relation;
    bool stale;
};

struct sv_relcache {
    struct sv_relcache_options options;
    struct sv_shelf entries;
    struct build *builds;       /* innermost first */
    struct entry *invalid_head; /* untried ones first */
    struct entry *invalid_tail;
    uint64_t pass;
    bool closing;
};

static struct entry *entry_of(struct sv_item *item)
{
    return (struct entry *)item;
}

static struct entry *entry_of_relation(struct sv_relation *relation)
{
    return (struct entry *)((char *)relation - offsetof(struct entry, visible));
}

static void dispose(struct sv_item *item)
{
    free(entry_of(item));
}

static uint32_t hash_of(uint32_t relation)
{
    return relation * UINT32_C(0x9e3779b1) >> 7; /* Knuth's multiplicative hash */
}

static struct entry *find(const struct sv_relcache *cache, uint32_t relation)
{
    struct sv_item *item = sv_shelf_bucket(&cache->entries, hash_of(relation));
    while (item != NULL && entry_of(item)->visible.relation != relation) {
        item = item->next;
    }
    return item != NULL ? entry_of(item) : NULL;
}

/* ---- valid and invalid ------------------------------------------------------------------------ */

static void leave_invalid(struct sv_relcache *cache, struct entry *entry)
{
    *(entry->previous != NULL ? &entry->previous->following : &cache->invalid_head) =
        entry->following;
    *(entry->following != NULL ? &entry->following->previous : &cache->invalid_tail) =
        entry->previous;
}

static void join_invalid(struct sv_relcache *cache, struct entry *entry)
{
    entry->previous = cache->invalid_tail;
    entry->following = NULL;
    *(entry->previous != NULL ? &entry->previous->following : &cache->invalid_head) = entry;
    cache->invalid_tail = entry;
}

static void set_valid(struct sv_relcache *cache, struct entry *entry, bool valid)
{
    if (entry->valid != valid) { /* R4 */
        entry->valid = valid;
        if (valid) {
            leave_invalid(cache, entry);
        } else {
            join_invalid(cache, entry);
        }
    }
}

static void invalidate_item(struct sv_item *item, void *argument)
{
    set_valid(argument, entry_of(item), false);
}

void sv_relcache_invalidate(struct sv_backend *self, uint32_t relation)
{
    struct sv_relcache *cache = self->inval->relcache;
    if (cache == NULL) {
        return;
    }
    for (struct build *build = cache->builds; build != NULL; build = build->outer) {
        build->stale |= relation == 0 || build->relation == relation; /* R1 */
    }
    if (relation == 0) {
        sv_shelf_each(&cache->entries, invalidate_item, cache);
    } else {
        struct entry *entry = find(cache, relation);
        if (entry != NULL) {
            set_valid(cache, entry, false);
        }
    }
    self->inval->work |= sv_relcache_stale(self);
}

bool sv_relcache_stale(const struct sv_backend *self)
{
    const struct sv_relcache *cache = self->inval->relcache;
    return cache != NULL && cache->invalid_head != NULL;
}

/* ---- pins ------------------------------------------------------------------------------------- */

/* Forget an unpinned entry. Runs destroy, last. */
static void forget(struct sv_relcache *cache, struct entry *entry)
{
    void *object = entry->visible.object;
    set_valid(cache, entry, true);
    sv_shelf_kill(&cache->entries, &entry->item);
    if (object != NULL) {
        cache->options.destroy(object, cache->options.argument);
    }
}

static void unpin(struct sv_relcache *cache, struct entry *entry)
{
    sv_shelf_release(&cache->entries, &entry->item);
    if (entry->item.pins == 0 && (!entry->valid || entry->visible.dropped) && !cache->closing) {
        forget(cache, entry);
    }
}

void sv_relation_close(struct sv_backend *self, struct sv_relation *relation)
{
    unpin(self->inval->relcache, entry_of_relation(relation));
}

/* ---- building --------------------------------------------------------------------------------- */

static bool is_building(const struct sv_relcache *cache, uint32_t relation)
{
    const struct build *build = cache->builds;
    while (build != NULL && build->relation != relation) {
        build = build->outer;
    }
    return build != NULL;
}

/* Call build. Returns: 0 and *object; SV_NOT_FOUND; -errno. */
static int call_build(struct sv_backend *self, const struct sv_relcache *cache, uint32_t relation,
                      void **object)
{
    int result = -EIO;
    *object = NULL;
    if (SV_POINT_ANSWER(relcache_build_before) != SV_POINT_FAIL) {
        result = cache->options.build(self, relation, cache->options.argument, object);
    }
    SV_POINT(relcache_build_after);
    sv_assert(result < 0 || result == SV_NOT_FOUND || (result == 0 && *object != NULL),
              "the build of relation %u answers %d with object %p", relation, result, *object);
    return result;
}

/* Exchange the object, then destroy the old one. */
static void install(struct sv_relcache *cache, struct entry *entry, void *object)
{
    void *old = entry->visible.object;
    entry->visible.object = object;
    entry->visible.builds++;
    entry->visible.dropped = false;
    if (old != NULL) {
        cache->options.destroy(old, cache->options.argument); /* R2 */
    }
}

/*
 * Build once, and install. The entry is pinned by the caller, and may be on no shelf yet.
 * Returns: 0, also when it is found to be gone, or overtaken; -errno: the entry is as before.
 */
static int rebuild(struct sv_backend *self, struct sv_relcache *cache, struct entry *entry)
{
    struct build build = {.outer = cache->builds, .relation = entry->visible.relation};
    void *object;
    cache->builds = &build;
    const int result = call_build(self, cache, build.relation, &object);
    if (result == 0) {
        install(cache, entry, object);
    } else if (result == SV_NOT_FOUND) {
        entry->visible.dropped = true;
    }
    cache->builds = build.outer;
    if (result >= 0) {
        /* R1: also what came while the old one was destroyed. */
        set_valid(cache, entry, !build.stale);
    }
    return result < 0 ? result : 0;
}

/* Until it is valid, or no repetition is left. Returns: 0; SV_NOT_FOUND; -errno. */
static int make_valid(struct sv_backend *self, struct sv_relcache *cache, struct entry *entry)
{
    int result = 0;
    if (!entry->valid) {
        sv_repeats_enter(self->inval);
        do {
            result = rebuild(self, cache, entry);
        } while (result == 0 && !entry->valid && sv_repeats_take(self->inval));
        sv_repeats_leave(self->inval);
    }
    return result == 0 && entry->visible.dropped ? SV_NOT_FOUND : result;
}

/* Once, if it has holders but the caller. Whatever opens or loads inside counts as nested. */
static int rebuild_held(struct sv_backend *self, struct sv_relcache *cache, struct entry *entry)
{
    if (entry->item.pins == 1) {
        return 0;
    }
    sv_repeats_enter(self->inval);
    const int result = rebuild(self, cache, entry);
    sv_repeats_leave(self->inval);
    return result;
}

int sv_relcache_rebuild(struct sv_backend *self)
{
    struct sv_relcache *cache = self->inval->relcache;
    int first = 0;
    if (cache == NULL || cache->closing) {
        return 0; /* what is built now nobody would destroy */
    }
    cache->pass++;
    for (;;) {
        struct entry *entry = cache->invalid_head; /* R6 */
        if (entry == NULL || entry->tried == cache->pass) {
            return first;
        }
        entry->tried = cache->pass;
        leave_invalid(cache, entry);
        join_invalid(cache, entry);
        if (is_building(cache, entry->visible.relation)) {
            continue; /* overtaken: it will be built again further out */
        }
        sv_shelf_pin(&cache->entries, &entry->item); /* R3 */
        const int result = rebuild_held(self, cache, entry);
        unpin(cache, entry);
        first = first != 0 ? first : result;
    }
}

/* ---- opening ---------------------------------------------------------------------------------- */

/* One that nobody has. It is put when it has been built, so an error leaves nothing. */
static int open_new(struct sv_backend *self, struct sv_relcache *cache, uint32_t relation,
                    struct sv_relation **opened)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return -ENOMEM;
    }
    entry->item.hash = hash_of(relation);
    entry->item.pins = 1;
    entry->visible.relation = relation;
    join_invalid(cache, entry);
    const int result = make_valid(self, cache, entry);
    if (result != 0) {
        void *object = entry->visible.object; /* of a build that was overtaken */
        set_valid(cache, entry, true);
        free(entry);
        if (object != NULL) {
            cache->options.destroy(object, cache->options.argument);
        }
        return result;
    }
    sv_shelf_put(&cache->entries, &entry->item);
    self->inval->work |= !entry->valid;
    *opened = &entry->visible;
    return 0;
}

int sv_relation_open(struct sv_backend *self, struct sv_relcache *cache, uint32_t relation,
                     struct sv_relation **opened)
{
    *opened = NULL;
    sv_assert(!cache->closing, "relation %u is opened while slot %u detaches", relation,
              self->slot_index);
    if (relation == 0) {
        return SV_NOT_FOUND; /* it stands for all of them */
    }
    if (is_building(cache, relation)) {
        return -EDEADLK;
    }
    struct entry *entry = find(cache, relation);
    if (entry == NULL) {
        return open_new(self, cache, relation, opened);
    }
    sv_shelf_pin(&cache->entries, &entry->item); /* R3 */
    const int result = make_valid(self, cache, entry);
    if (result != 0) {
        unpin(cache, entry);
        return result;
    }
    *opened = &entry->visible;
    return 0;
}

/* ---- making and freeing ----------------------------------------------------------------------- */

int sv_relcache_create(struct sv_backend *self, const struct sv_relcache_options *options,
                       struct sv_relcache **cache)
{
    if (self->inval->relcache != NULL) {
        return -EEXIST;
    }
    struct sv_relcache *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return -ENOMEM;
    }
    made->options = *options;
    if (sv_shelf_init(&made->entries, 0, dispose) != 0) {
        free(made);
        return -ENOMEM;
    }
    self->inval->relcache = made;
    *cache = made;
    return 0;
}

static void destroy_object(struct sv_item *item, void *argument)
{
    const struct sv_relcache *cache = argument;
    void *object = entry_of(item)->visible.object;
    entry_of(item)->visible.object = NULL;
    cache->options.destroy(object, cache->options.argument);
}

void sv_relcache_destroy(struct sv_backend *self)
{
    struct sv_relcache *cache = self->inval->relcache;
    if (cache == NULL) {
        return;
    }
    cache->closing = true; /* an object may close, when it is destroyed, what it held open */
    sv_shelf_each(&cache->entries, destroy_object, cache);
    sv_shelf_destroy(&cache->entries);
    free(cache);
    self->inval->relcache = NULL;
}
