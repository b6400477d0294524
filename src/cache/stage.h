/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Staged writes: what an open transaction is going to change, private to it until commit.
 *
 * A list in the order of levels, since only the innermost level is written to. A row has at most
 * one write a level; the last one in the list is what the transaction sees. So to roll a level
 * back is to cut the list off, and to release one is to move its writes down by one level.
 */
#ifndef SINVAL_CACHE_STAGE_H
#define SINVAL_CACHE_STAGE_H

#include "cache/rows.h"

/* What names a row. The hash is of relation and keys. */
struct sv_row_key {
    uint32_t relation;
    uint32_t hash;
    struct sv_packed_keys keys;
};

struct sv_staged {
    struct sv_row_key key;
    uint32_t level;
    bool shadows; /* a write of a lower level to the same row comes before it */
    bool deletes;
    bool replaced; /* only inside a release */
    uint32_t value_bytes;
    uint8_t *value; /* owned; NULL if empty */
};

struct sv_stage {
    struct sv_staged *writes;
    uint32_t count;
    uint32_t capacity;
    uint32_t rows; /* different ones among them */
};

/* What the transaction does to that row, or NULL. */
const struct sv_staged *sv_stage_find(const struct sv_stage *stage, const struct sv_row_key *key);

/*
 * Stage a write (tuple NULL: a delete) at level, which is at least that of all others.
 *
 * Returns: 0; SV_FULL: it would be a row more than rows_max; -ENOMEM. Then nothing has changed.
 */
SV_NODISCARD int sv_stage_write(struct sv_stage *stage, uint32_t level,
                                const struct sv_row_key *key, const struct sv_tuple *tuple,
                                uint32_t rows_max);

/* Hand what was written at level, or deeper, to level - 1. Cannot fail. */
void sv_stage_release(struct sv_stage *stage, uint32_t level);

/* Forget what was written at level, or deeper; 0: everything. */
void sv_stage_rollback(struct sv_stage *stage, uint32_t level);

/* As rollback to 0, and give the memory back. */
void sv_stage_free(struct sv_stage *stage);

#endif
