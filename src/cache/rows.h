/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rows on their way from a source to a visitor: copied out while the store holds still, visited
 * when it no longer does. A visitor may read, write and accept as it likes: no lock is held, no
 * statement is open, and what it was given is its own until it returns.
 *
 * And keys in one piece, which is how rows are compared and stored.
 */
#ifndef SINVAL_CACHE_ROWS_H
#define SINVAL_CACHE_ROWS_H

#include <string.h>

#include "shm/layout.h"
#include "sinval/source.h"

/*
 * Keys in one piece: for each a length byte, then its bytes; the rest is 0. So equal keys are
 * equal bytes (and counts), and the first keys of a row are the first bytes.
 */
struct sv_packed_keys {
    uint32_t count;
    uint32_t used_bytes;
    uint8_t bytes[SV_ROW_KEY_BYTES];
};

/* Returns: 0; -EINVAL: fewer than count_min, more than SV_KEYS_MAX, or more bytes than fit. */
SV_NODISCARD int sv_packed_set(struct sv_packed_keys *packed, const struct sv_keys *keys,
                               uint32_t count_min);

/* The other way: keys point into packed. Returns: 0; -SV_ECORRUPT: nobody packed these. */
SV_NODISCARD int sv_packed_get(const struct sv_packed_keys *packed, struct sv_keys *keys);

static inline bool sv_packed_equal(const struct sv_packed_keys *a, const struct sv_packed_keys *b)
{
    return a->count == b->count && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* One row, as sv_rows_add gives it out to be filled in. */
struct sv_row_copy {
    struct sv_packed_keys keys;
    uint32_t value_bytes;
    uint64_t version;
    uint8_t value[];
};

/* Copies of rows, one behind the other in one piece of memory. All zero is none. */
struct sv_rows {
    uint8_t *bytes;
    size_t used_bytes;
    size_t capacity_bytes;
};

/* Room for one more row. Returns: the copy, value_bytes set, the rest to be filled in; NULL. */
SV_NODISCARD struct sv_row_copy *sv_rows_add(struct sv_rows *rows, uint32_t value_bytes);

/* Call visit with each. Returns: 0, what visit returned, or -SV_ECORRUPT (bad keys). */
SV_NODISCARD int sv_rows_visit(const struct sv_rows *rows, sv_row_visit visit, void *argument);

void sv_rows_free(struct sv_rows *rows);

#endif
