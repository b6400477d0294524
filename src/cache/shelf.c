/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A shelf: open hashing with reference counts and an optional limit.
 *
 * Invariants:
 *   H1  an item is in exactly one place: the bucket of its hash (live), or the list of the dead.
 *   H2  a dead item is pinned.
 *   H3  the ring of the idle holds exactly the live, unpinned items, by their last release, if
 *       there is a limit; else it is empty. So whom to evict is always its oldest: no search.
 *   H4  live_count <= items_max, or no item is idle.
 *
 * Buckets double when there are more than two items for each. Nobody keeps a bucket across a call
 * that could put something: it is looked up again (PostgreSQL computed it before a load that can
 * rehash). If there is no memory to grow, chains get longer and nothing else happens.
 */
#include "cache/shelf.h"

#include <errno.h>
#include <stdlib.h>

#define SV_BUCKETS_MIN 16
#define SV_BUCKETS_MAX (UINT32_C(1) << 30)

int sv_shelf_init(struct sv_shelf *shelf, uint32_t items_max, void (*dispose)(struct sv_item *item))
{
    *shelf = (struct sv_shelf){
        .buckets = calloc(SV_BUCKETS_MIN, sizeof(*shelf->buckets)),
        .bucket_count = SV_BUCKETS_MIN,
        .items_max = items_max,
        .dispose = dispose,
    };
    shelf->idle.newer = &shelf->idle;
    shelf->idle.older = &shelf->idle;
    return shelf->buckets != NULL ? 0 : -ENOMEM;
}

static void link_into(struct sv_item **head, struct sv_item *item)
{
    item->next = *head;
    item->link = head;
    if (item->next != NULL) {
        item->next->link = &item->next;
    }
    *head = item;
}

static void unlink_item(struct sv_item *item)
{
    *item->link = item->next;
    if (item->next != NULL) {
        item->next->link = item->link;
    }
    item->link = NULL;
}

static void join_idle(struct sv_shelf *shelf, struct sv_item *item)
{
    if (shelf->items_max == 0) {
        return;
    }
    item->newer = &shelf->idle;
    item->older = shelf->idle.older;
    item->older->newer = item;
    shelf->idle.older = item;
}

void sv_shelf_leave_idle(struct sv_item *item)
{
    if (item->newer != NULL) {
        item->newer->older = item->older;
        item->older->newer = item->newer;
        item->newer = NULL;
        item->older = NULL;
    }
}

/* Split each bucket in two; the order inside is kept, so what is newest stays in front. */
static void grow(struct sv_shelf *shelf)
{
    const uint32_t half = shelf->bucket_count;
    if (half >= SV_BUCKETS_MAX) {
        return;
    }
    struct sv_item **buckets = calloc((size_t)half * 2, sizeof(struct sv_item *));
    if (buckets == NULL) {
        return;
    }
    for (uint32_t i = 0; i < half; i++) {
        struct sv_item **tails[2] = {&buckets[i], &buckets[i + half]};
        struct sv_item *item = shelf->buckets[i];
        while (item != NULL) {
            struct sv_item *next = item->next;
            struct sv_item ***tail = &tails[(item->hash & half) != 0];
            item->next = NULL;
            item->link = *tail;
            **tail = item;
            *tail = &item->next;
            item = next;
        }
    }
    free(shelf->buckets);
    shelf->buckets = buckets;
    shelf->bucket_count = half * 2;
}

/* H4: the oldest idle ones go. */
static void evict(struct sv_shelf *shelf)
{
    while (shelf->items_max > 0 && shelf->live_count > shelf->items_max &&
           shelf->idle.newer != &shelf->idle) {
        sv_shelf_kill(shelf, shelf->idle.newer);
    }
}

void sv_shelf_put(struct sv_shelf *shelf, struct sv_item *item)
{
    if (shelf->live_count / 2 >= shelf->bucket_count) {
        grow(shelf);
    }
    link_into(&shelf->buckets[item->hash & (shelf->bucket_count - 1)], item);
    shelf->live_count++;
    shelf->pins += item->pins;
    if (item->pins == 0) {
        join_idle(shelf, item);
    }
    evict(shelf);
}

void sv_shelf_put_dead(struct sv_shelf *shelf, struct sv_item *item)
{
    sv_assert(item->pins > 0, "an item that nobody could ever reach");
    item->dead = true;
    link_into(&shelf->dead, item);
    shelf->dead_count++;
    shelf->pins += item->pins;
}

void sv_shelf_last_release(struct sv_shelf *shelf, struct sv_item *item)
{
    if (item->dead) {
        unlink_item(item);
        shelf->dead_count--;
        shelf->dispose(item);
        return;
    }
    join_idle(shelf, item);
    evict(shelf);
}

void sv_shelf_kill(struct sv_shelf *shelf, struct sv_item *item)
{
    sv_assert(!item->dead && item->link != NULL, "an item of hash %08x is killed twice",
              item->hash);
    unlink_item(item);
    shelf->live_count--;
    if (item->pins == 0) {
        sv_shelf_leave_idle(item);
        shelf->dispose(item);
        return;
    }
    item->dead = true;
    link_into(&shelf->dead, item);
    shelf->dead_count++;
}

uint32_t sv_shelf_kill_hash(struct sv_shelf *shelf, uint32_t hash)
{
    uint32_t count = 0;
    struct sv_item *item = sv_shelf_bucket(shelf, hash);
    while (item != NULL) {
        struct sv_item *next = item->next;
        if (item->hash == hash) {
            sv_shelf_kill(shelf, item);
            count++;
        }
        item = next;
    }
    return count;
}

uint32_t sv_shelf_kill_all(struct sv_shelf *shelf)
{
    const uint32_t count = shelf->live_count;
    for (uint32_t i = 0; i < shelf->bucket_count && shelf->live_count > 0; i++) {
        while (shelf->buckets[i] != NULL) {
            sv_shelf_kill(shelf, shelf->buckets[i]);
        }
    }
    return count;
}

void sv_shelf_each(const struct sv_shelf *shelf, void (*visit)(struct sv_item *, void *argument),
                   void *argument)
{
    for (uint32_t i = 0; i < shelf->bucket_count; i++) {
        for (struct sv_item *item = shelf->buckets[i]; item != NULL; item = item->next) {
            visit(item, argument);
        }
    }
}

void sv_shelf_destroy(struct sv_shelf *shelf)
{
    if (shelf->buckets == NULL) {
        return;
    }
    (void)sv_shelf_kill_all(shelf);
    while (shelf->dead != NULL) {
        struct sv_item *item = shelf->dead;
        unlink_item(item);
        shelf->dispose(item);
    }
    free(shelf->buckets);
    shelf->buckets = NULL;
}
