/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table as a source: staged writes over the shared rows.
 *
 * A read looks at the staged writes first. Whatever it finds is copied, and visited when no lock is
 * held. Levels exist only in the staged writes: one without writes is none.
 */
#include <errno.h>
#include <stdlib.h>

#include "cache/stage.h"
#include "cache/table.h"
#include "sync/slot.h"

/* What sv_table_open makes. */
struct table {
    struct sv_source source;
    struct sv_table_view view;
    struct sv_stage stage;
};

/* Returns: 0; -EINVAL */
static int make_key(uint32_t relation, const struct sv_keys *keys, uint32_t count_min,
                    struct sv_row_key *key)
{
    key->relation = relation;
    key->hash = 0;
    const int result = sv_packed_set(&key->keys, keys, count_min);
    if (result == 0) {
        key->hash = sv_keys_hash(keys) ^ relation * UINT32_C(0x85ebca6b);
    }
    return result;
}

/* Returns: 0; -ENOMEM. */
static int copy_staged(const struct sv_staged *staged, struct sv_rows *copies)
{
    struct sv_row_copy *copy = sv_rows_add(copies, staged->value_bytes);
    if (copy == NULL) {
        return -ENOMEM;
    }
    copy->keys = staged->key.keys;
    copy->version = 0;
    if (staged->value_bytes != 0) {
        memcpy(copy->value, staged->value, staged->value_bytes);
    }
    return 0;
}

static int table_read(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                      const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    const struct table *table = source->context;
    struct sv_row_key key;
    struct sv_rows copies = {0};
    int result = make_key(relation, keys, 1, &key);
    if (result != 0) {
        return result;
    }
    const struct sv_staged *staged = sv_stage_find(&table->stage, &key);
    if (staged != NULL) {
        result = staged->deletes ? SV_NOT_FOUND : copy_staged(staged, &copies);
    } else {
        result = sv_table_read(self, &table->view, &key, &copies);
    }
    if (result == 0) {
        result = sv_rows_visit(&copies, visit, argument);
    }
    sv_rows_free(&copies);
    return result;
}

/* Those rows of the list that the transaction has written. */
static int list_staged(const struct sv_stage *stage, const struct sv_row_key *prefix,
                       struct sv_rows *copies)
{
    int result = 0;
    for (uint32_t i = 0; i < stage->count && result == 0; i++) {
        const struct sv_staged *staged = &stage->writes[i];
        if (!staged->deletes && sv_stage_find(stage, &staged->key) == staged &&
            sv_row_in_list(prefix, staged->key.relation, staged->key.keys.count,
                           staged->key.keys.bytes)) {
            result = copy_staged(staged, copies);
        }
    }
    return result;
}

static int table_list(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                      const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    const struct table *table = source->context;
    struct sv_row_key prefix;
    struct sv_rows copies = {0};
    int result = make_key(relation, keys, 0, &prefix);
    if (result == 0) {
        result = list_staged(&table->stage, &prefix, &copies);
    }
    if (result == 0) {
        result = sv_table_list(self, &table->view, &prefix, &table->stage, &copies);
    }
    if (result == 0) {
        result = sv_rows_visit(&copies, visit, argument);
    }
    sv_rows_free(&copies);
    return result;
}

static int table_write(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                       const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct table *table = source->context;
    struct sv_row_key key;
    const int result = make_key(relation, keys, 1, &key);
    if (result != 0 || (tuple != NULL && tuple->size_bytes > table->view.value_max)) {
        return -EINVAL;
    }
    const uint32_t level = sv_transaction_level(self);
    return sv_stage_write(&table->stage, level != 0 ? level : 1, &key, tuple,
                          table->view.writes_max);
}

/* A level without writes is no level: there is nothing to open. */
static int table_subtransaction_begin(struct sv_source *source, struct sv_backend *self,
                                      uint32_t level)
{
    (void)source;
    (void)self;
    (void)level;
    return 0;
}

static int table_subtransaction_release(struct sv_source *source, struct sv_backend *self,
                                        uint32_t level)
{
    struct table *table = source->context;
    (void)self;
    sv_stage_release(&table->stage, level);
    return 0;
}

static void table_subtransaction_rollback(struct sv_source *source, struct sv_backend *self,
                                          uint32_t level)
{
    struct table *table = source->context;
    (void)self;
    sv_stage_rollback(&table->stage, level);
}

static int table_commit(struct sv_source *source, struct sv_backend *self, uint64_t *version)
{
    struct table *table = source->context;
    struct sv_stage *stage = &table->stage;
    *version = 0;
    while (stage->count > 0 && stage->writes[stage->count - 1].level > 1) {
        sv_stage_release(stage, stage->writes[stage->count - 1].level);
    }
    if (stage->count == 0) {
        return 0;
    }
    const int result = sv_table_commit(self, &table->view, stage, version);
    if (result == 0) {
        sv_stage_rollback(stage, 0);
    }
    return result;
}

static void table_rollback(struct sv_source *source, struct sv_backend *self)
{
    struct table *table = source->context;
    (void)self;
    sv_stage_rollback(&table->stage, 0);
}

static void table_close(struct sv_source *source)
{
    struct table *table = source->context;
    sv_stage_free(&table->stage);
    free(table);
}

int sv_table_open(struct sv_backend *self, struct sv_source **source)
{
    if (self->segment->table == NULL) {
        return -EINVAL;
    }
    struct table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return -ENOMEM;
    }
    table->view = sv_table_view(self->segment);
    table->source = (struct sv_source){
        .name = "table",
        .context = table,
        .read = table_read,
        .list = table_list,
        .write = table_write,
        .subtransaction_begin = table_subtransaction_begin,
        .subtransaction_release = table_subtransaction_release,
        .subtransaction_rollback = table_subtransaction_rollback,
        .commit = table_commit,
        .rollback = table_rollback,
        .close = table_close,
    };
    *source = &table->source;
    return 0;
}
