/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table in the segment: rows changed by whole transactions, also if their writer is killed.
 *
 * Here are the shared rows, and what is done for those who die in the lock. As a source, with
 * transactions and levels: src/cache/table_source.c. Design, invariants T1..T5: src/cache/table.c.
 */
#ifndef SINVAL_CACHE_TABLE_H
#define SINVAL_CACHE_TABLE_H

#include "cache/stage.h"
#include "shm/segment.h"

/* The shared part, with the limits that every index and length is checked against. */
struct sv_table_view {
    struct sv_table *table;
    uint8_t *rows;
    uint8_t *redo;
    size_t stride;
    uint32_t rows_max;
    uint32_t writes_max;
    uint32_t value_max;
};

/* Of a segment that has a table. */
struct sv_table_view sv_table_view(const struct sv_segment *segment);

/*
 * Copy the row of that key.
 *
 * Returns:  0; SV_NOT_FOUND; -ENOMEM; -SV_ECORRUPT.
 * Locks:    takes SV_LOCK_TABLE shared.
 */
SV_NODISCARD int sv_table_read(struct sv_backend *self, const struct sv_table_view *view,
                               const struct sv_row_key *key, struct sv_rows *copies);

/*
 * Copy all rows whose keys begin with prefix, and that are not staged, as of one moment.
 *
 * Returns:  0; -ENOMEM; -SV_ECORRUPT: copies holds some of them.
 * Locks:    takes SV_LOCK_TABLE shared.
 */
SV_NODISCARD int sv_table_list(struct sv_backend *self, const struct sv_table_view *view,
                               const struct sv_row_key *prefix, const struct sv_stage *stage,
                               struct sv_rows *copies);

/* Do these packed keys, of that relation, begin with prefix? */
bool sv_row_in_list(const struct sv_row_key *prefix, uint32_t relation, uint32_t key_count,
                    const uint8_t *keys);

/*
 * Make all that is staged, at one level, so; at most writes_max rows.
 *
 * Returns:  0        done; *version is what the rows now carry.
 *           -ENOSPC  more rows than rows_max; nothing has changed.
 *           -SV_ECORRUPT
 * Locks:    takes SV_LOCK_TABLE exclusive.
 */
SV_NODISCARD int sv_table_commit(struct sv_backend *self, const struct sv_table_view *view,
                                 const struct sv_stage *stage, uint64_t *version);

/*
 * Finish the commit of whoever died with SV_LOCK_TABLE exclusive, if it counted; else there is
 * nothing to do. Restartable from any instruction. Does nothing if the segment has no table.
 *
 * Locks:    SV_LOCK_TABLE still names the dead; takes none.
 */
void sv_table_repair(struct sv_segment *segment);

#endif
