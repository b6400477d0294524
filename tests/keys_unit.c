/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Keys: their limits, and the hash that travels in messages.
 */
#include "cache/keys.h"
#include "cache_scene.h"

TestSuite(keys_unit, .timeout = 30);

/*
 * Claim:   keys are checked: as many as the cache has, at most 64 bytes together, and where one
 *          ends matters.
 * Method:  too few, too many, 64 and 65 bytes, empty ones, and two that are equal when joined.
 */
Test(keys_unit, keys_are_checked_and_told_apart)
{
    struct scene s = set_up(2, 0);
    struct sv_cache_entry *entry = NULL;
    struct sv_cache_list *list = NULL;
    char bytes[SV_KEY_BYTES_MAX + 2];
    memset(bytes, 'k', sizeof(bytes));
    bytes[SV_KEY_BYTES_MAX + 1] = '\0';
    const struct sv_keys few = KEYS("a");
    const struct sv_keys many = KEYS("a", "b", "c");
    const struct sv_keys none = {.count = 0};
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &few, &entry), -EINVAL);
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &many, &entry), -EINVAL);
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &none, &entry), -EINVAL);
    cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &many, &list), -EINVAL);
    cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &none, &list), -EINVAL);
    const struct sv_keys too_long = KEYS(bytes, "");
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &too_long, &entry), -EINVAL);
    const struct sv_keys beyond = {.count = 2, .key = {{bytes, UINT32_MAX}, {bytes, 2}}};
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &beyond, &entry), -EINVAL);
    store_set(s.store, RELATION, KEYS(bytes + 1, ""), "longest");
    ASSERT_VALUE(s.reader, s.cache, KEYS(bytes + 1, ""), "longest");
    ASSERT_VALUE(s.reader, s.cache, KEYS("", bytes + 1), NULL);
    store_set(s.store, RELATION, KEYS("ab", "c"), "ab c");
    ASSERT_VALUE(s.reader, s.cache, KEYS("a", "bc"), NULL);
    ASSERT_VALUE(s.reader, s.cache, KEYS("ab", "c"), "ab c");
    ASSERT_VALUE(s.reader, s.cache, KEYS("", ""), NULL);
    tear_down(&s);
}

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

#define NAMES 400000

/*
 * Claim:   the hash spreads, and is the same in every process and version; keys of one hash are
 *          told apart, and die together, which is harmless.
 * Method:  a known value; the buckets of 4,096 numbers; a collision among 400,000 keys (18 are
 *          expected by the birthday rule), searched and invalidated.
 */
Test(keys_unit, keys_that_share_a_hash_are_told_apart)
{
    struct scene s = set_up(1, 0);
    static uint64_t hashes[NAMES]; /* hash and number */
    static uint32_t buckets[1024];
    for (uint32_t i = 0; i < NAMES; i++) {
        const struct sv_keys keys = {.count = 1, .key = {{&i, sizeof(i)}}};
        hashes[i] = (uint64_t)sv_keys_hash(&keys) << 32 | i;
        if (i < 4096) {
            buckets[hashes[i] >> 32 & 1023]++;
            cr_assert_lt(buckets[hashes[i] >> 32 & 1023], 20, "4 are to be expected");
        }
    }
    const struct sv_keys known = KEYS("known", "keys of more than eight bytes");
    cr_assert_eq(sv_keys_hash(&known), 0x7179baac, "the hash is %08x: a new layout version?",
                 sv_keys_hash(&known));
    qsort(hashes, NAMES, sizeof(*hashes), compare_hashes);
    uint32_t i = 1;
    while (i < NAMES && hashes[i] >> 32 != hashes[i - 1] >> 32) {
        i++;
    }
    cr_assert_lt(i, NAMES, "no collision among %d keys", NAMES);
    const uint32_t numbers[2] = {(uint32_t)hashes[i - 1], (uint32_t)hashes[i]};
    struct sv_cache_entry *entries[2];
    struct fake_row row = {.relation = RELATION, .key_count = 1};
    for (int k = 0; k < 2; k++) {
        const struct sv_keys keys = {.count = 1, .key = {{&numbers[k], sizeof(uint32_t)}}};
        /* Rows of the fake have text for keys: bytes of these numbers must not be 0. */
        memcpy(row.keys[0], &numbers[k], sizeof(uint32_t));
        row.value[0] = (char)('0' + k);
        store_put(s.store, &row);
        const int result = sv_cache_search(s.reader, s.cache, &keys, &entries[k]);
        if (result == SV_NOT_FOUND) {
            entries[k] = NULL; /* a byte was 0: a negative entry serves as well */
        }
    }
    cr_assert_eq(state_of(s.cache).positive + state_of(s.cache).negative, 2, "taken for one");
    const struct sv_message message = {
        .kind = SV_MESSAGE_CATCACHE,
        .catcache = {RELATION, (uint32_t)(hashes[i] >> 32)},
    };
    sv_send_messages(s.other, &message, 1);
    accept_all(s.reader);
    cr_assert_eq(state_of(s.cache).positive + state_of(s.cache).negative, 0);
    tear_down(&s);
}

/* Does the packed key of these bytes match the same bytes, one of them (if there is it) changed? */
static bool matches(uint32_t size_bytes, uint32_t changed)
{
    uint8_t packed[SV_PACKED_KEYS_MAX];
    uint8_t *bytes = malloc(size_bytes + 1); /* of its own, so that a read beyond is noticed */
    cr_assert_not_null(bytes);
    const struct sv_keys keys = {.count = 1, .key = {{bytes + 1, size_bytes}}};
    for (uint32_t i = 0; i <= size_bytes; i++) {
        bytes[i] = (uint8_t)(i * 37);
    }
    sv_keys_pack(&keys, packed);
    if (changed < size_bytes) {
        bytes[1 + changed] ^= (uint8_t)(1U << changed % 8);
    }
    const bool equal = sv_bytes_equal(packed + 1, bytes + 1, size_bytes);
    cr_assert_eq(sv_keys_match(packed, &keys), equal, "%u bytes", size_bytes);
    free(bytes);
    return equal;
}

/*
 * Claim:   keys are equal if every byte is, whatever their length.
 * Method:  each length there is, each byte changed by a bit, and none.
 */
Test(keys_unit, every_byte_of_a_key_counts)
{
    for (uint32_t size_bytes = 0; size_bytes <= SV_KEY_BYTES_MAX; size_bytes++) {
        for (uint32_t changed = 0; changed < size_bytes; changed++) {
            cr_assert_not(matches(size_bytes, changed), "byte %u of %u", changed, size_bytes);
        }
        cr_assert(matches(size_bytes, size_bytes), "%u bytes", size_bytes);
    }
}
