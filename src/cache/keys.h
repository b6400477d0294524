/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Keys packed for keeping: for each key a length byte, then its bytes.
 */
#ifndef SINVAL_CACHE_KEYS_H
#define SINVAL_CACHE_KEYS_H

#include "sinval/source.h"

#define SV_PACKED_KEYS_MAX (SV_KEY_BYTES_MAX + SV_KEYS_MAX)

/* Are they count keys, of at most SV_KEY_BYTES_MAX bytes together? */
bool sv_keys_valid(const struct sv_keys *keys, uint32_t count);

/* Bytes that valid keys take when packed. */
uint32_t sv_keys_packed_bytes(const struct sv_keys *keys);

/* Pack valid keys. */
void sv_keys_pack(const struct sv_keys *keys, uint8_t *packed);

/* Does packed begin with these keys? */
bool sv_keys_match(const uint8_t *packed, const struct sv_keys *keys);

/* Compare count packed keys, key by key, as memcmp would; of two the shorter comes first. */
int sv_keys_compare(const uint8_t *a, const uint8_t *b, uint32_t count);

#endif
