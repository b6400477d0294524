/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Lookups go through the list from its end, by hash first: transactions are short (at most
 * table_writes_max rows), and a list survives any order of levels without a rule of its own.
 */
#include "cache/stage.h"

#include <errno.h>
#include <stdlib.h>

#define CAPACITY_FIRST 8

static bool same_row(const struct sv_row_key *a, const struct sv_row_key *b)
{
    return a->hash == b->hash && a->relation == b->relation && sv_packed_equal(&a->keys, &b->keys);
}

/* The last of the first count writes that is to that row; NULL if there is none. */
static struct sv_staged *find_before(const struct sv_stage *stage, uint32_t count,
                                     const struct sv_row_key *key)
{
    for (uint32_t i = count; i > 0; i--) {
        if (same_row(&stage->writes[i - 1].key, key)) {
            return &stage->writes[i - 1];
        }
    }
    return NULL;
}

const struct sv_staged *sv_stage_find(const struct sv_stage *stage, const struct sv_row_key *key)
{
    return find_before(stage, stage->count, key);
}

static int reserve_one(struct sv_stage *stage)
{
    if (stage->count < stage->capacity) {
        return 0;
    }
    const uint32_t capacity = stage->capacity != 0 ? stage->capacity * 2 : CAPACITY_FIRST;
    struct sv_staged *writes = realloc(stage->writes, capacity * sizeof(*writes));
    if (writes == NULL) {
        return -ENOMEM;
    }
    stage->writes = writes;
    stage->capacity = capacity;
    return 0;
}

/* Returns: 0 and *value, a copy of the tuple's bytes, NULL for none; -ENOMEM. */
static int copy_value(const struct sv_tuple *tuple, uint8_t **value)
{
    *value = NULL;
    if (tuple == NULL || tuple->size_bytes == 0) {
        return 0;
    }
    *value = malloc(tuple->size_bytes);
    if (*value == NULL) {
        return -ENOMEM;
    }
    memcpy(*value, tuple->data, tuple->size_bytes);
    return 0;
}

int sv_stage_write(struct sv_stage *stage, uint32_t level, const struct sv_row_key *key,
                   const struct sv_tuple *tuple, uint32_t rows_max)
{
    struct sv_staged *earlier = find_before(stage, stage->count, key);
    if (earlier == NULL && stage->rows >= rows_max) {
        return SV_FULL;
    }
    uint8_t *value;
    if (copy_value(tuple, &value) != 0) {
        return -ENOMEM;
    }
    const struct sv_staged write = {
        .key = *key,
        .level = level,
        .shadows = earlier != NULL && (earlier->shadows || earlier->level < level),
        .deletes = tuple == NULL,
        .value_bytes = tuple != NULL ? tuple->size_bytes : 0,
        .value = value,
    };
    if (earlier != NULL && earlier->level == level) {
        free(earlier->value);
        *earlier = write;
        return 0;
    }
    if (reserve_one(stage) != 0) {
        free(value);
        return -ENOMEM;
    }
    stage->writes[stage->count++] = write;
    stage->rows += !write.shadows;
    return 0;
}

/* Drop what a later write to the same row, of the same level, replaces. */
static void drop_replaced(struct sv_stage *stage)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < stage->count; i++) {
        if (stage->writes[i].replaced) {
            free(stage->writes[i].value);
        } else {
            stage->writes[kept++] = stage->writes[i];
        }
    }
    stage->count = kept;
}

void sv_stage_release(struct sv_stage *stage, uint32_t level)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        struct sv_staged *write = &stage->writes[i];
        if (write->level < level) {
            continue;
        }
        write->level = level - 1;
        struct sv_staged *below = write->shadows ? find_before(stage, i, &write->key) : NULL;
        if (below != NULL && below->level == write->level) {
            write->shadows = below->shadows;
            below->replaced = true;
        }
    }
    drop_replaced(stage);
}

void sv_stage_rollback(struct sv_stage *stage, uint32_t level)
{
    while (stage->count > 0 && stage->writes[stage->count - 1].level >= level) {
        const struct sv_staged *last = &stage->writes[--stage->count];
        stage->rows -= !last->shadows;
        free(last->value);
    }
}

void sv_stage_free(struct sv_stage *stage)
{
    sv_stage_rollback(stage, 0);
    free(stage->writes);
    *stage = (struct sv_stage){0};
}
