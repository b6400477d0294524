/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Keys: hashed, packed, compared.
 *
 * The hash travels in messages, so every process must compute the same: it depends on the bytes
 * alone. Eight bytes at a time are folded in by a multiplication with an odd constant (2^64 / phi,
 * Knuth's) and a shift, each step a bijection of the state, so two keys of up to eight bytes never
 * meet before the last step, which throws half of the bits away. Sizes are folded in too: ("ab",
 * "c") is not ("a", "bc").
 */
#include "cache/keys.h"

#include <string.h>

#define SV_HASH_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t fold(uint64_t state, uint64_t value)
{
    state = (state ^ value) * SV_HASH_MULTIPLIER;
    return state ^ state >> 29;
}

static inline uint64_t fold_bytes(uint64_t state, const uint8_t *data, uint32_t size_bytes)
{
    uint64_t word;
    for (; size_bytes >= sizeof(word); size_bytes -= sizeof(word), data += sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        state = fold(state, word);
    }
    if (size_bytes > 0) {
        word = 0;
        memcpy(&word, data, size_bytes);
        state = fold(state, word);
    }
    return state;
}

uint32_t sv_keys_hash(const struct sv_keys *keys)
{
    uint64_t state = fold(0, keys->count);
    for (uint32_t i = 0; i < keys->count && i < SV_KEYS_MAX; i++) {
        state = fold(state, keys->key[i].size_bytes);
        state = fold_bytes(state, keys->key[i].data, keys->key[i].size_bytes);
    }
    state = fold(state, 0);
    return (uint32_t)(state >> 32);
}

bool sv_keys_valid(const struct sv_keys *keys, uint32_t count)
{
    if (keys->count != count || count == 0 || count > SV_KEYS_MAX) {
        return false;
    }
    uint32_t left = SV_KEY_BYTES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const struct sv_key *key = &keys->key[i];
        if (key->size_bytes > left || (key->size_bytes > 0 && key->data == NULL)) {
            return false;
        }
        left -= key->size_bytes;
    }
    return true;
}

uint32_t sv_keys_packed_bytes(const struct sv_keys *keys)
{
    uint32_t bytes = keys->count;
    for (uint32_t i = 0; i < keys->count; i++) {
        bytes += keys->key[i].size_bytes;
    }
    return bytes;
}

void sv_keys_pack(const struct sv_keys *keys, uint8_t *packed)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct sv_key *key = &keys->key[i];
        *packed++ = (uint8_t)key->size_bytes;
        if (key->size_bytes > 0) {
            memcpy(packed, key->data, key->size_bytes);
        }
        packed += key->size_bytes;
    }
}

bool sv_keys_match(const uint8_t *packed, const struct sv_keys *keys)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct sv_key *key = &keys->key[i];
        if (*packed++ != key->size_bytes ||
            (key->size_bytes > 0 && memcmp(packed, key->data, key->size_bytes) != 0)) {
            return false;
        }
        packed += key->size_bytes;
    }
    return true;
}

int sv_keys_compare(const uint8_t *a, const uint8_t *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t a_bytes = *a++;
        const uint8_t b_bytes = *b++;
        const int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
        if (order != 0 || a_bytes != b_bytes) {
            return order != 0 ? order : a_bytes - b_bytes;
        }
        a += a_bytes;
        b += b_bytes;
    }
    return 0;
}
