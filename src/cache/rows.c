/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#include "cache/rows.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/keys.h"

#define CAPACITY_FIRST 256

int sv_packed_set(struct sv_packed_keys *packed, const struct sv_keys *keys, uint32_t count_min)
{
    *packed = (struct sv_packed_keys){.count = keys->count};
    if (keys->count < count_min || (keys->count != 0 && !sv_keys_valid(keys, keys->count))) {
        return -EINVAL;
    }
    packed->used_bytes = sv_keys_packed_bytes(keys);
    sv_keys_pack(keys, packed->bytes);
    return 0;
}

int sv_packed_get(const struct sv_packed_keys *packed, struct sv_keys *keys)
{
    *keys = (struct sv_keys){.count = packed->count};
    if (packed->count > SV_KEYS_MAX) {
        return -SV_ECORRUPT;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < packed->count; i++) {
        if (used >= sizeof(packed->bytes) || packed->bytes[used] >= sizeof(packed->bytes) - used) {
            return -SV_ECORRUPT;
        }
        const uint32_t size_bytes = packed->bytes[used++];
        keys->key[i] = (struct sv_key){.data = packed->bytes + used, .size_bytes = size_bytes};
        used += size_bytes;
    }
    return 0;
}

static size_t copy_bytes(uint32_t value_bytes)
{
    return sv_round_up(sizeof(struct sv_row_copy) + value_bytes, _Alignof(struct sv_row_copy));
}

struct sv_row_copy *sv_rows_add(struct sv_rows *rows, uint32_t value_bytes)
{
    const size_t wanted = rows->used_bytes + copy_bytes(value_bytes);
    if (wanted > rows->capacity_bytes) {
        size_t capacity = rows->capacity_bytes != 0 ? rows->capacity_bytes : CAPACITY_FIRST;
        while (capacity < wanted) {
            capacity *= 2;
        }
        uint8_t *bytes = realloc(rows->bytes, capacity);
        if (bytes == NULL) {
            return NULL;
        }
        rows->bytes = bytes;
        rows->capacity_bytes = capacity;
    }
    struct sv_row_copy *copy = (struct sv_row_copy *)(rows->bytes + rows->used_bytes);
    rows->used_bytes = wanted;
    copy->value_bytes = value_bytes;
    return copy;
}

int sv_rows_visit(const struct sv_rows *rows, sv_row_visit visit, void *argument)
{
    for (size_t at = 0; at < rows->used_bytes;) {
        const struct sv_row_copy *copy = (const struct sv_row_copy *)(rows->bytes + at);
        struct sv_keys keys;
        int result = sv_packed_get(&copy->keys, &keys);
        if (result == 0) {
            const struct sv_tuple tuple = {
                .data = copy->value, .size_bytes = copy->value_bytes, .version = copy->version};
            result = visit(argument, &keys, &tuple);
        }
        if (result != 0) {
            return result;
        }
        at += copy_bytes(copy->value_bytes);
    }
    return 0;
}

void sv_rows_free(struct sv_rows *rows)
{
    free(rows->bytes);
    *rows = (struct sv_rows){0};
}
