/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Keys: hashed, packed, compared.
 *
 * The hash travels in messages, so every process must compute the same: it depends on the bytes
 * alone. Eight bytes at a time are folded in by a multiplication with an odd constant (Knuth's) and
 * a shift, each step a bijection of the state. The last fold of a key has what is left of it, at
 * most seven bytes, and its size in the eighth: ("ab", "c") is not ("a", "bc"), and keys of up to
 * seven bytes never meet before the last step, which throws half of the bits away.
 */
#include "cache/keys.h"

uint32_t sv_keys_hash(const struct sv_keys *keys)
{
    struct sv_keys limited = *keys;
    limited.count = keys->count < SV_KEYS_MAX ? keys->count : SV_KEYS_MAX;
    return sv_keys_hash_inline(&limited);
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
