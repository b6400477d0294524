/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Invalidation messages: 16 bytes that say what went stale (PostgreSQL: SharedInvalidationMessage).
 *
 * Every byte is defined: unused ones are 0, so that a message can be compared and hashed whole.
 */
#ifndef SINVAL_MESSAGE_H
#define SINVAL_MESSAGE_H

#include "sinval/api.h"

enum sv_message_kind {
    SV_MESSAGE_CATCACHE = 1, /* cache, hash: entries of that hash */
    SV_MESSAGE_CATALOG,      /* relation: every entry of caches over that relation */
    SV_MESSAGE_RELCACHE,     /* relation; 0: all relations */
    SV_MESSAGE_SMGR,         /* relation: whoever keeps files open closes them */
    SV_MESSAGE_RELMAP,       /* the map of relations to files changed */
    SV_MESSAGE_SNAPSHOT,     /* relation: snapshots of it are out of date */
    SV_MESSAGE_APPLICATION,  /* payload: the application's own */
    SV_MESSAGE_KIND_END,
};

struct sv_message {
    uint8_t kind; /* enum sv_message_kind */
    uint8_t reserved[3];
    uint32_t database; /* 0: concerns every database */

    union {
        struct {
            uint32_t cache;
            uint32_t hash;
        } catcache;

        struct {
            uint32_t relation;
            uint32_t reserved;
        } relation; /* catalog, relcache, smgr, snapshot */

        uint64_t payload; /* application; relmap: 0 */
    };
};

_Static_assert(sizeof(struct sv_message) == 16, "a message is 16 bytes");

#endif
