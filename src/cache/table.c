/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table: rows in the segment, changed by whole transactions or not at all.
 *
 * The ideal: a map from (relation, keys) to a value, replaced at once by each commit. The real
 * one is an array of rows, open addressing with linear probing, and a commit changes it byte by
 * byte under SV_LOCK_TABLE, exclusive. What makes it look like one step is the redo record:
 *
 *     write the record  ->  redo_phase := COUNTS  ->  apply it  ->  redo_phase := EMPTY
 *
 * A death before the store of COUNTS, the commit point, leaves the rows as they were; after it,
 * whoever takes the lock over applies the record again, from its first row (sv_table_repair).
 * Either way nobody gets the lock in between, so nobody sees less than all or more than nothing.
 *
 * Until then a transaction's writes are private (cache/stage.h); its own reads see them over the
 * rows. Conflicts are not looked for: the last commit of a row wins. Who wants more takes an
 * application lock around read and commit.
 *
 * Invariants, whenever the lock is free or taken over:
 *     T1  redo_phase is EMPTY. (CORRUPT: nothing can be known any more, and everyone is told.)
 *     T2  a row's key does not change while its phase is USED. So a search of the second attempt
 *         finds what the first one began to update, wherever in the value it died.
 *     T3  the phase says USED only after key and value are there. What a row holds otherwise is
 *         never read, so a half-written one does no harm: it is still vacant.
 *     T4  no EMPTY row lies between the place where a search for a USED row starts and that row.
 *         A deleted row becomes EMPTY only if its successor is EMPTY.
 *     T5  used is the number of USED rows, version the newest commit's and not below any row's.
 *         Both are computed before the commit point, and so the same in every attempt.
 *
 * Deletes are recorded before inserts: a full table can trade one row for another, and with the
 * room counted beforehand (T5) an insert always finds a vacant row. Applying is idempotent: a
 * delete that finds nothing was done, an insert that finds its key becomes an update.
 *
 * Ordering. The lock orders everything between the living. For the dead, what counts is that
 * stores are made in this order, so the compiler is told: [R1] the record before COUNTS, and
 * nothing applied before it (an exchange, sequentially consistent); [R2] contents before USED
 * (view, release); [R3] DELETED before the place is used again (exchange); [R4] all rows before
 * EMPTY (view, release). The survivor's reads follow its take-over of the life lock.
 *
 * Trust. Indexes and limits come from the private configuration, lengths are read once and
 * checked: a corrupt participant gets -SV_ECORRUPT back, never a write outside the table.
 */
#include "cache/table.h"

#include <errno.h>

#include "base/point.h"
#include "sync/lwlock.h"

struct sv_table_view sv_table_view(const struct sv_segment *segment)
{
    return (struct sv_table_view){
        .table = segment->table,
        .rows = segment->table_rows,
        .redo = segment->table_redo,
        .stride = sv_table_row_stride(&segment->config),
        .rows_max = segment->config.table_rows_max,
        .writes_max = segment->config.table_writes_max,
        .value_max = segment->config.table_value_max,
    };
}

static struct sv_table_row *row_at(const struct sv_table_view *view, uint32_t index)
{
    return (struct sv_table_row *)(view->rows + index * view->stride);
}

static struct sv_table_row *redo_at(const struct sv_table_view *view, uint32_t index)
{
    return (struct sv_table_row *)(view->redo + index * view->stride);
}

static uint32_t row_after(const struct sv_table_view *view, uint32_t index)
{
    return index + 1 < view->rows_max ? index + 1 : 0;
}

static uint32_t row_before(const struct sv_table_view *view, uint32_t index)
{
    return index > 0 ? index - 1 : view->rows_max - 1;
}

/* Where a search starts. The hash is spread first: linear probing wants neighbours to differ. */
static uint32_t row_home(const struct sv_table_view *view, uint32_t hash)
{
    return (uint32_t)((uint64_t)(hash * UINT32_C(0x9e3779b1)) * view->rows_max >> 32);
}

/* ---- rows, under the lock ------------------------------------------------------------------ */

static bool row_is(const struct sv_table_row *row, const struct sv_row_key *key)
{
    return row->hash == key->hash && row->relation == key->relation &&
           sv_load_relaxed32(&row->key_count) == key->keys.count &&
           memcmp(row->keys, key->keys.bytes, sizeof(row->keys)) == 0;
}

/* What a search found: indexes, or rows_max for none. */
struct place {
    uint32_t row;
    uint32_t vacant; /* the first one on the way */
};

/* Returns: 0; -SV_ECORRUPT: a row is in no known phase. */
static int find(const struct sv_table_view *view, const struct sv_row_key *key, struct place *place)
{
    *place = (struct place){.row = view->rows_max, .vacant = view->rows_max};
    uint32_t index = row_home(view, key->hash);
    for (uint32_t looked = 0; looked < view->rows_max; looked++) {
        const struct sv_table_row *row = row_at(view, index);
        const uint32_t phase = sv_load_acquire32(&row->phase);
        if (phase > SV_ROW_DELETED) {
            return -SV_ECORRUPT;
        }
        if (phase == SV_ROW_USED && row_is(row, key)) {
            place->row = index;
            return 0;
        }
        if (phase != SV_ROW_USED && place->vacant == view->rows_max) {
            place->vacant = index;
        }
        if (phase == SV_ROW_EMPTY) {
            return 0;
        }
        index = row_after(view, index);
    }
    return 0;
}

/* Returns: 0; -ENOMEM; -SV_ECORRUPT: its lengths cannot be right. */
static int copy_row(const struct sv_table_view *view, const struct sv_table_row *row,
                    struct sv_rows *copies)
{
    const uint32_t value_bytes = sv_load_relaxed32(&row->value_bytes);
    if (value_bytes > view->value_max) {
        return -SV_ECORRUPT;
    }
    struct sv_row_copy *copy = sv_rows_add(copies, value_bytes);
    if (copy == NULL) {
        return -ENOMEM;
    }
    copy->keys = (struct sv_packed_keys){.count = sv_load_relaxed32(&row->key_count)};
    memcpy(copy->keys.bytes, row->keys, sizeof(copy->keys.bytes));
    copy->version = row->version;
    memcpy(copy->value, row->value, value_bytes);
    return 0;
}

static void erase(const struct sv_table_view *view, uint32_t index)
{
    (void)sv_exchange_seq32(&row_at(view, index)->phase, SV_ROW_DELETED); /* [R3] */
    if (sv_load_acquire32(&row_at(view, row_after(view, index))->phase) != SV_ROW_EMPTY) {
        return;
    }
    for (uint32_t looked = 0; looked < view->rows_max; looked++) { /* T4 */
        if (sv_load_acquire32(&row_at(view, index)->phase) != SV_ROW_DELETED) {
            return;
        }
        sv_store_release32(&row_at(view, index)->phase, SV_ROW_EMPTY);
        index = row_before(view, index);
    }
}

static void set_value(struct sv_table_row *row, const uint8_t *value, uint32_t value_bytes,
                      uint64_t version)
{
    SV_ANNOTATE_DEFINED(value, value_bytes);
    if (value_bytes != 0) {
        memcpy(row->value, value, value_bytes);
    }
    sv_store_relaxed32(&row->value_bytes, value_bytes);
    row->version = version;
}

static void set_key(struct sv_table_row *row, const struct sv_row_key *key)
{
    SV_ANNOTATE_DEFINED(key, sizeof(*key));
    row->relation = key->relation;
    row->hash = key->hash;
    sv_store_relaxed32(&row->key_count, key->keys.count);
    memcpy(row->keys, key->keys.bytes, sizeof(row->keys));
}

/* ---- the redo record ------------------------------------------------------------------------ */

/* Returns: 0; -SV_ECORRUPT: no commit can have recorded this. */
static int apply_row(const struct sv_table_view *view, const struct sv_table_row *redo,
                     uint64_t version)
{
    struct sv_row_key key = {.relation = redo->relation, .hash = redo->hash};
    key.keys.count = sv_load_relaxed32(&redo->key_count);
    memcpy(key.keys.bytes, redo->keys, sizeof(key.keys.bytes));
    const uint32_t value_bytes = sv_load_relaxed32(&redo->value_bytes);
    const uint32_t phase = sv_load_relaxed32(&redo->phase);
    struct place place;
    if (value_bytes > view->value_max || find(view, &key, &place) != 0) {
        return -SV_ECORRUPT;
    }
    const bool is_there = place.row < view->rows_max;
    if (phase == SV_ROW_DELETED) {
        if (is_there) {
            erase(view, place.row);
        }
        return 0;
    }
    if (phase != SV_ROW_USED || (!is_there && place.vacant >= view->rows_max)) {
        return -SV_ECORRUPT;
    }
    struct sv_table_row *row = row_at(view, is_there ? place.row : place.vacant);
    if (!is_there) {
        set_key(row, &key);
    }
    set_value(row, redo->value, value_bytes, version);
    sv_store_release32(&row->phase, SV_ROW_USED); /* [R2] */
    return 0;
}

/* Returns: 0, and T1 holds; -SV_ECORRUPT, and the table is lost. */
static int apply(const struct sv_table_view *view)
{
    struct sv_table *table = view->table;
    const uint64_t version = sv_load_relaxed64(&table->redo_version);
    const uint32_t used = sv_load_relaxed32(&table->redo_used);
    const uint32_t count = sv_load_relaxed32(&table->redo_count);
    int result = count <= view->writes_max && used <= view->rows_max ? 0 : -SV_ECORRUPT;
    for (uint32_t i = 0; i < count && result == 0; i++) {
        if (i > 0) {
            SV_POINT(table_apply_row);
        }
        result = apply_row(view, redo_at(view, i), version);
    }
    if (result == 0) {
        sv_store_relaxed32(&table->used, used);
        sv_store_relaxed64(&table->version, version);
        SV_POINT(table_apply_after);
    }
    sv_store_release32(&table->redo_phase,
                       result == 0 ? SV_REDO_EMPTY : SV_REDO_CORRUPT); /* [R4] */
    return result;
}

void sv_table_repair(struct sv_segment *segment)
{
    if (segment->table != NULL &&
        sv_load_acquire32(&segment->table->redo_phase) == SV_REDO_COUNTS) {
        const struct sv_table_view view = sv_table_view(segment);
        (void)apply(&view); /* a lost table says so to whoever comes next */
    }
}

/* Record those staged writes that are, or are not, deletes. used goes along. */
static int record_some(const struct sv_table_view *view, const struct sv_stage *stage, bool deletes,
                       uint32_t *count, int64_t *used)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        const struct sv_staged *staged = &stage->writes[i];
        if (staged->deletes != deletes) {
            continue;
        }
        struct place place;
        if (find(view, &staged->key, &place) != 0) {
            return -SV_ECORRUPT;
        }
        const bool is_there = place.row < view->rows_max;
        *used += deletes ? -(int64_t)is_there : !is_there;
        struct sv_table_row *redo = redo_at(view, (*count)++);
        set_key(redo, &staged->key);
        set_value(redo, staged->value, staged->value_bytes, 0);
        sv_store_relaxed32(&redo->phase, deletes ? SV_ROW_DELETED : SV_ROW_USED);
    }
    return 0;
}

/* Returns: 0, and the record is complete but does not count; -ENOSPC; -SV_ECORRUPT. */
static int record(const struct sv_table_view *view, const struct sv_stage *stage)
{
    struct sv_table *table = view->table;
    uint32_t count = 0;
    int64_t used = sv_load_relaxed32(&table->used);
    if (sv_load_acquire32(&table->redo_phase) != SV_REDO_EMPTY || used > view->rows_max) {
        return -SV_ECORRUPT;
    }
    if (record_some(view, stage, true, &count, &used) != 0 ||
        record_some(view, stage, false, &count, &used) != 0 || used < 0) {
        return -SV_ECORRUPT;
    }
    if (used > view->rows_max) {
        return -ENOSPC;
    }
    sv_store_relaxed32(&table->redo_count, count);
    sv_store_relaxed32(&table->redo_used, (uint32_t)used);
    sv_store_relaxed64(&table->redo_version, sv_load_relaxed64(&table->version) + 1);
    return 0;
}

int sv_table_commit(struct sv_backend *self, const struct sv_table_view *view,
                    const struct sv_stage *stage, uint64_t *version)
{
    sv_lwlock_acquire(self, SV_LOCK_TABLE, SV_LOCK_EXCLUSIVE);
    int result = record(view, stage);
    if (result == 0) {
        SV_POINT(table_commit_recorded);
        (void)sv_exchange_seq32(&view->table->redo_phase, SV_REDO_COUNTS); /* [R1] */
        SV_POINT(table_commit_counted);
        result = apply(view);
        *version = sv_load_relaxed64(&view->table->version);
    }
    sv_lwlock_release(self, SV_LOCK_TABLE);
    return result;
}

/* ---- reading -------------------------------------------------------------------------------- */

int sv_table_read(struct sv_backend *self, const struct sv_table_view *view,
                  const struct sv_row_key *key, struct sv_rows *copies)
{
    struct place place;
    int result = -SV_ECORRUPT;
    sv_lwlock_acquire(self, SV_LOCK_TABLE, SV_LOCK_SHARED);
    if (sv_load_acquire32(&view->table->redo_phase) == SV_REDO_EMPTY) { /* T1 */
        result = find(view, key, &place);
    }
    if (result == 0) {
        result = place.row < view->rows_max ? copy_row(view, row_at(view, place.row), copies)
                                            : SV_NOT_FOUND;
    }
    sv_lwlock_release(self, SV_LOCK_TABLE);
    return result;
}

bool sv_row_in_list(const struct sv_row_key *prefix, uint32_t relation, uint32_t key_count,
                    const uint8_t *keys)
{
    return relation == prefix->relation && key_count >= prefix->keys.count &&
           memcmp(keys, prefix->keys.bytes, prefix->keys.used_bytes) == 0;
}

/* One row of the list, unless it is none of it, or the transaction has written it. */
static int list_row(const struct sv_table_view *view, const struct sv_row_key *prefix,
                    const struct sv_stage *stage, const struct sv_table_row *row,
                    struct sv_rows *copies)
{
    const uint32_t phase = sv_load_acquire32(&row->phase);
    if (phase != SV_ROW_USED) {
        return phase > SV_ROW_DELETED ? -SV_ECORRUPT : 0;
    }
    struct sv_row_key key = {.relation = row->relation, .hash = row->hash};
    key.keys.count = sv_load_relaxed32(&row->key_count);
    if (!sv_row_in_list(prefix, key.relation, key.keys.count, row->keys)) {
        return 0;
    }
    memcpy(key.keys.bytes, row->keys, sizeof(key.keys.bytes));
    return sv_stage_find(stage, &key) != NULL ? 0 : copy_row(view, row, copies);
}

int sv_table_list(struct sv_backend *self, const struct sv_table_view *view,
                  const struct sv_row_key *prefix, const struct sv_stage *stage,
                  struct sv_rows *copies)
{
    sv_lwlock_acquire(self, SV_LOCK_TABLE, SV_LOCK_SHARED);
    int result =
        sv_load_acquire32(&view->table->redo_phase) == SV_REDO_EMPTY ? 0 : -SV_ECORRUPT; /* T1 */
    for (uint32_t i = 0; i < view->rows_max && result == 0; i++) {
        result = list_row(view, prefix, stage, row_at(view, i), copies);
    }
    sv_lwlock_release(self, SV_LOCK_TABLE);
    return result;
}
