/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Relcache: built objects that are rebuilt in place while somebody holds them (PostgreSQL:
 * relcache.c).
 *
 * What an object is, its user says: build makes one from whatever it reads, destroy frees it. A
 * holder keeps the address of its sv_relation across rebuilds; what the object pointer in it
 * points to is replaced at the next accept after an invalidation, and when it is opened again.
 *
 * An invalidation that arrives in the middle of a build makes that build stale, also when the
 * build was a rebuild in place (open in PostgreSQL to this day): it is built again.
 *
 * Design: src/cache/relcache.c.
 */
#ifndef SINVAL_RELCACHE_H
#define SINVAL_RELCACHE_H

#include "sinval/transaction.h"

struct sv_relcache;

/* A pinned relation, as its holders see it. */
struct sv_relation {
    uint32_t relation;
    void *object;    /* never NULL while pinned, never half built */
    uint64_t builds; /* grows with each (re)build */
    bool dropped;    /* the last build found it gone; object is the one before */
};

struct sv_relcache_options {
    /*
     * Build the object. May search caches, open relations and accept messages.
     * Returns: 0 and *object; SV_NOT_FOUND; -errno.
     */
    int (*build)(struct sv_backend *self, uint32_t relation, void *argument, void **object);
    void (*destroy)(void *object, void *argument);
    void *argument;
};

/* One a backend. Returns: 0; -EEXIST; -ENOMEM. Freed by sv_backend_detach. */
SV_API SV_NODISCARD int sv_relcache_create(struct sv_backend *self,
                                           const struct sv_relcache_options *options,
                                           struct sv_relcache **cache);

/*
 * Open: pins it, builds or rebuilds it if need be (RelationIdGetRelation). May be nested, also from
 * build, though not for the relation being built: -EDEADLK.
 *
 * Returns:  0 and *opened; SV_NOT_FOUND, also for relation 0, which in messages stands for all of
 *           them and is never built; -errno: not opened. What others hold is as before, or, if it
 *           was built and a further build failed, as that build left it; it is built again.
 */
SV_API SV_NODISCARD int sv_relation_open(struct sv_backend *self, struct sv_relcache *cache,
                                         uint32_t relation, struct sv_relation **opened);

/* Unpin. Kept for the next open unless invalid. */
SV_API void sv_relation_close(struct sv_backend *self, struct sv_relation *relation);

#endif
