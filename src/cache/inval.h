/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a backend keeps for transactions, accepting and caches, and who in src/cache does what.
 *
 *   inval.c        making and freeing this; levels of messages; registering them
 *   transaction.c  begin, command end, subtransactions, commit, rollback, sources
 *   accept.c       the three phases of accepting; marking
 *   events.c       what callbacks are still to be told
 *   catcache.c, catlist.c, relcache.c   the caches
 */
#ifndef SINVAL_CACHE_INVAL_H
#define SINVAL_CACHE_INVAL_H

#include "cache/events.h"
#include "sinval/source.h"
#include "sync/lwlock.h"

#define SV_SOURCES_MAX  4
#define SV_CACHE_CHAINS 64 /* caches are found by their id; a power of two */

/*
 * How often what an invalidation made stale is read or built again before it is left as it is: by
 * the outermost load or build together with all inside it. Were it counted for each, a flood would
 * cost this number to the power of their depth.
 */
#define SV_REPEATS_MAX 8

struct sv_catcache;
struct sv_relcache;

/* Messages that belong together, oldest first. */
struct sv_messages {
    struct sv_message *items;
    uint32_t count;
    uint32_t size; /* items allocated */
};

/* Make room for more. Returns: 0; -ENOMEM, and nothing has changed. */
SV_NODISCARD int sv_messages_reserve(struct sv_messages *messages, uint32_t more);

/* A level of the open transaction: its messages are those from first on. */
struct sv_level {
    uint32_t first;    /* what is before belongs to outer levels */
    uint32_t current;  /* from here on: of the current command, not applied here yet */
    uint32_t released; /* bit per source: it has released this level already, and has none of it */
    uint32_t handed;   /* bit per source: it has released it once, so its parent has some of it */
};

struct sv_inval {
    /* Accepting. */
    bool work;      /* something is left to do though nothing is in the queue */
    uint32_t depth; /* accepts and command ends on the stack */
    struct sv_events events;

    /* Caches. */
    struct sv_catcache *caches[SV_CACHE_CHAINS];
    struct sv_relcache *relcache;
    uint32_t loading; /* loads and builds on the stack */
    uint32_t repeats; /* of the outermost of them and all inside it */

    /* The open transaction. */
    struct sv_level *levels; /* innermost last */
    uint32_t level_count;    /* 0: none is open */
    uint32_t level_size;
    struct sv_messages messages;
    struct sv_messages in_place;               /* to be sent also at rollback */
    uint32_t in_place_current;                 /* from here on: of the current command */
    struct sv_source *sources[SV_SOURCES_MAX]; /* in the order in which they commit */
    uint32_t source_count;
    uint32_t ended;   /* bit per source: has committed or is rolled back; takes no more writes */
    bool commits;     /* its messages are promised: what is registered is, at once */
    bool doomed;      /* a source holds what was rolled back: commit must fail */
    uint64_t version; /* of the last commit */
};

/*
 * At attach, before the backend joins the queue, and at detach, before it leaves: rolls back an
 * open transaction, frees caches and the relcache.
 * Returns: 0; -ENOMEM.
 */
SV_NODISCARD int sv_inval_create(struct sv_backend *self);
void sv_inval_destroy(struct sv_backend *self);

/* Register it with the innermost level of the open transaction. Returns: 0; -ENOMEM. */
SV_NODISCARD int sv_inval_register(struct sv_backend *self, const struct sv_message *message);

/* Around a load or build with its repetitions. */
static inline void sv_repeats_enter(struct sv_inval *inval)
{
    if (inval->loading++ == 0) {
        inval->repeats = 0;
    }
}

static inline void sv_repeats_leave(struct sv_inval *inval)
{
    inval->loading--;
}

/* May it be repeated once more? */
static inline bool sv_repeats_take(struct sv_inval *inval)
{
    return inval->repeats < SV_REPEATS_MAX && ++inval->repeats > 0;
}

#define SV_LOCKS_APP (UINT32_C(1) << SV_LOCK_APP_0 | UINT32_C(1) << SV_LOCK_APP_1)

/* No lock of the library's own is held: the application's come before all of them. */
static inline void sv_inval_assert_unlocked(const struct sv_backend *self)
{
    const uint32_t held = self->held[SV_LOCK_SHARED] | self->held[SV_LOCK_EXCLUSIVE];
    sv_assert((held & ~SV_LOCKS_APP) == 0, "slot %u has locks %x", self->slot_index,
              (unsigned)held);
}

/* ---- marking: phase 1, no user's code -------------------------------------------------------- */

/* Mark what a message makes stale, and note it for the callbacks. */
void sv_inval_apply(struct sv_backend *self, const struct sv_message *message);

/* The same for everything there is. */
void sv_inval_reset(struct sv_backend *self);

/*
 * Phases 2 and 3, between depth++ and depth-- of the caller: callbacks and rebuilds for what is
 * marked; at depth 2 nothing, since depth 1 does it.
 * Returns: 0; -errno: what is left is still to be done.
 */
SV_NODISCARD int sv_inval_finish(struct sv_backend *self);

void sv_catcache_invalidate(struct sv_backend *self, uint32_t cache, uint32_t hash);
void sv_catcache_invalidate_relation(struct sv_backend *self, uint32_t relation);
void sv_catcache_invalidate_all(struct sv_backend *self);
void sv_relcache_invalidate(struct sv_backend *self, uint32_t relation); /* 0: all */

/* ---- the caches ------------------------------------------------------------------------------ */

/* Phase 3. Try each pinned, invalid relation once; drop those nobody holds. Returns: 0; -errno. */
SV_NODISCARD int sv_relcache_rebuild(struct sv_backend *self);

/* Is there anything for it to do? */
bool sv_relcache_stale(const struct sv_backend *self);

void sv_catcache_destroy_all(struct sv_backend *self);
void sv_relcache_destroy(struct sv_backend *self);

#endif
