/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Keys packed for keeping: for each key a length byte, then its bytes.
 */
#ifndef SINVAL_CACHE_KEYS_H
#define SINVAL_CACHE_KEYS_H

#include <string.h>

#include "sinval/source.h"

#define SV_PACKED_KEYS_MAX (SV_KEY_BYTES_MAX + SV_KEYS_MAX)

/* What follows in full is what every search does. */

static inline uint64_t sv_load_word64(const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

static inline uint32_t sv_load_word32(const uint8_t *data)
{
    uint32_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

/* Fewer than 8 bytes as a number, without a branch for each: loads may overlap. */
static inline uint64_t sv_load_tail(const uint8_t *data, uint32_t size_bytes)
{
    if (size_bytes >= 4) {
        const uint64_t high = sv_load_word32(data + size_bytes - 4);
        return sv_load_word32(data) | high << 8 * (size_bytes - 4);
    }
    if (size_bytes == 0) {
        return 0;
    }
    return data[0] | (uint64_t)data[size_bytes / 2] << 8 * (size_bytes / 2) |
           (uint64_t)data[size_bytes - 1] << 8 * (size_bytes - 1);
}

#define SV_HASH_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / phi, odd */

static inline uint64_t sv_hash_fold(uint64_t state, uint64_t word)
{
    state = (state ^ word) * SV_HASH_MULTIPLIER;
    return state ^ state >> 29;
}

/* sv_keys_hash, for at most SV_KEYS_MAX keys. */
static inline uint32_t sv_keys_hash_inline(const struct sv_keys *keys)
{
    uint64_t state = keys->count * SV_HASH_MULTIPLIER;
    for (uint32_t i = 0; i < keys->count; i++) {
        const uint8_t *data = keys->key[i].data;
        const uint64_t size_bytes = keys->key[i].size_bytes;
        uint32_t left = keys->key[i].size_bytes;
        for (; left >= 8; left -= 8, data += 8) {
            state = sv_hash_fold(state, sv_load_word64(data));
        }
        state = sv_hash_fold(state, sv_load_tail(data, left) | size_bytes << 56);
    }
    return (uint32_t)(sv_hash_fold(state, 0) >> 32);
}

/* Are they count keys, of at most SV_KEY_BYTES_MAX bytes together? */
static inline bool sv_keys_valid(const struct sv_keys *keys, uint32_t count)
{
    uint32_t left = SV_KEY_BYTES_MAX;
    if (keys->count != count || count == 0 || count > SV_KEYS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct sv_key *key = &keys->key[i];
        if (key->size_bytes > left || (key->size_bytes > 0 && key->data == NULL)) {
            return false;
        }
        left -= key->size_bytes;
    }
    return true;
}

static inline bool sv_bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t size_bytes)
{
    if (size_bytes < 8) {
        return sv_load_tail(a, size_bytes) == sv_load_tail(b, size_bytes);
    }
    return sv_load_word64(a) == sv_load_word64(b) && memcmp(a + 8, b + 8, size_bytes - 8) == 0;
}

/* Does packed begin with these keys? */
static inline bool sv_keys_match(const uint8_t *packed, const struct sv_keys *keys)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        const uint32_t size_bytes = keys->key[i].size_bytes;
        if (*packed++ != size_bytes || !sv_bytes_equal(packed, keys->key[i].data, size_bytes)) {
            return false;
        }
        packed += size_bytes;
    }
    return true;
}

/* Bytes that valid keys take when packed. */
uint32_t sv_keys_packed_bytes(const struct sv_keys *keys);

/* Pack valid keys. */
void sv_keys_pack(const struct sv_keys *keys, uint8_t *packed);

/* Compare count packed keys, key by key, as memcmp would; of two the shorter comes first. */
int sv_keys_compare(const uint8_t *a, const uint8_t *b, uint32_t count);

#endif
