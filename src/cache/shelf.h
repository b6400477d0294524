/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A shelf: items found by their hash, pinned while in use, dead once invalidated.
 *
 * A dead item is found by nobody and lives on until its last pin is released. What an item is, its
 * owner says: the shelf is intrusive, and never allocates but for its buckets.
 *
 * Design and invariants H1..H4: src/cache/shelf.c.
 */
#ifndef SINVAL_CACHE_SHELF_H
#define SINVAL_CACHE_SHELF_H

#include "base/assert.h"
#include "sinval/api.h"

struct sv_item {
    struct sv_item *next;  /* in its bucket, or among the dead */
    struct sv_item **link; /* what points to it; NULL: on no shelf */
    struct sv_item *newer; /* among the idle */
    struct sv_item *older;
    uint32_t hash;
    uint32_t pins;
    bool dead;
};

struct sv_shelf {
    struct sv_item **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t live_count;
    uint32_t dead_count;
    uint32_t items_max; /* 0: no limit */
    uint32_t pins;
    struct sv_item idle; /* head of the ring of idle items; newer is the oldest */
    struct sv_item *dead;
    void (*dispose)(struct sv_item *item);
};

/* dispose frees an item that nothing refers to. Returns: 0; -ENOMEM. */
SV_NODISCARD int sv_shelf_init(struct sv_shelf *shelf, uint32_t items_max,
                               void (*dispose)(struct sv_item *item));

/* Dispose of everything, pinned or not, and of the buckets. */
void sv_shelf_destroy(struct sv_shelf *shelf);

/* The first item of hash's bucket; the others follow through next; their hashes may differ. */
static inline struct sv_item *sv_shelf_bucket(const struct sv_shelf *shelf, uint32_t hash)
{
    return shelf->buckets[hash & (shelf->bucket_count - 1)];
}

/*
 * Put a new item, whose hash and pins are set, where it is found. Grows, and beyond items_max
 * disposes of idle items: the item itself may be gone when this returns unless it is pinned.
 */
void sv_shelf_put(struct sv_shelf *shelf, struct sv_item *item);

/* Keep a new, pinned item that nobody must find. */
void sv_shelf_put_dead(struct sv_shelf *shelf, struct sv_item *item);

/* The slow parts of pin and release. */
void sv_shelf_leave_idle(struct sv_item *item);
void sv_shelf_last_release(struct sv_shelf *shelf, struct sv_item *item);

static inline void sv_shelf_pin(struct sv_shelf *shelf, struct sv_item *item)
{
    if (item->pins++ == 0 && shelf->items_max > 0) {
        sv_shelf_leave_idle(item);
    }
    shelf->pins++;
}

/* The last release of a dead item disposes of it. */
static inline void sv_shelf_release(struct sv_shelf *shelf, struct sv_item *item)
{
    sv_assert(item->pins > 0, "an item of hash %08x is released more often than pinned",
              (unsigned)item->hash);
    shelf->pins--;
    if (--item->pins == 0 && (item->dead || shelf->items_max > 0)) {
        sv_shelf_last_release(shelf, item);
    }
}

/* Make it dead: disposed of at once if it is not pinned. */
void sv_shelf_kill(struct sv_shelf *shelf, struct sv_item *item);

/* Kill those of a hash, or all. Returns: how many. */
uint32_t sv_shelf_kill_hash(struct sv_shelf *shelf, uint32_t hash);
uint32_t sv_shelf_kill_all(struct sv_shelf *shelf);

/* Call visit for each live item. visit must leave the shelf as it is. */
void sv_shelf_each(const struct sv_shelf *shelf, void (*visit)(struct sv_item *, void *argument),
                   void *argument);

#endif
