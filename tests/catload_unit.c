/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Loads: what arrives while an entry is being read is not lost on it. The ids in claims are those
 * of the bugs of PostgreSQL's that this was, or is.
 */
#include "cache_scene.h"

TestSuite(catload_unit, .timeout = 30);

/*
 * Claim:   an invalidation that arrives while an entry is loaded makes that load stale (C1).
 * Method:  the row changes, and is told and accepted, after it was read and before it is handed
 *          over: once, and three times in a row.
 */
Test(catload_unit, an_invalidation_during_a_load_makes_it_load_again)
{
    for (int times = 1; times <= 3; times += 2) {
        struct scene s = set_up(1, 0);
        store_set(s.store, RELATION, KEYS("a"), "old");
        look_from(&s, update_and_accept, times);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new0");
        cr_assert_eq(s.fake->reads, 1 + (uint32_t)times);
        cr_assert_eq(counted(s.segment, SV_STAT_cache_reloads), (uint64_t)times);
        cr_assert_eq(counted(s.segment, SV_STAT_cache_misses), 1, "one search missed, once");
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new0");
        cr_assert_eq(s.fake->reads, 1 + (uint32_t)times, "it was not kept");
        tear_down(&s);
    }
}

static void insert_and_accept(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    if (s->left-- > 0) {
        commit_elsewhere(s->other, s->store, KEYS("a"), "here");
        accept_all(self);
    }
}

/*
 * Claim:   so does one that arrives while an absence is being found out.
 * Method:  the row is inserted after it was not found.
 */
Test(catload_unit, an_insert_during_a_negative_load_is_not_missed)
{
    struct scene s = set_up(1, 0);
    look_from(&s, insert_and_accept, 1);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "here");
    cr_assert_eq(s.fake->reads, 2);
    tear_down(&s);
}

/*
 * Claim:   a load is stale by the message, not by a look at the row (C2: a row changed in place
 *          looks the same).
 * Method:  the message alone, the row untouched: it is read again.
 */
Test(catload_unit, a_load_is_judged_by_messages_not_by_rows)
{
    struct scene s = set_up(1, 0);
    store_set(s.store, RELATION, KEYS("a"), "new0");
    look_from(&s, update_and_accept, 1);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new0");
    cr_assert_eq(s.fake->reads, 2);
    tear_down(&s);
}

static void say(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    const struct sv_message messages[] = {
        {.kind = SV_MESSAGE_CATCACHE, .catcache = {RELATION, about_row(KEYS("b")).catcache.hash}},
        {.kind = SV_MESSAGE_CATCACHE,
         .catcache = {RELATION + 64, about_row(KEYS("a")).catcache.hash}},
        {.kind = SV_MESSAGE_CATALOG, .relation = {.relation = RELATION + 1}},
        {.kind = SV_MESSAGE_RELCACHE, .relation = {.relation = RELATION}},
        {.kind = SV_MESSAGE_CATALOG, .relation = {.relation = RELATION}},
    };
    const int which = s->left;
    s->left = -1;
    if (which >= 0 && which < 5) {
        sv_send_messages(s->other, &messages[which], 1);
    } else if (which == 5) {
        sv_queue_reset_all(s->other);
    }
    accept_all(self);
}

/*
 * Claim:   what makes a load stale: its hash in its cache, a catalog message of its relation, a
 *          reset; not other keys, caches, relations or kinds.
 * Method:  each of six, during a load each; the reads are counted.
 */
Test(catload_unit, only_what_concerns_a_load_makes_it_stale)
{
    for (int which = 0; which < 6; which++) {
        struct scene s = set_up(1, 0);
        store_set(s.store, RELATION, KEYS("a"), "1");
        look_from(&s, say, which);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "1");
        cr_assert_eq(s.fake->reads, which < 4 ? 1 : 2, "message %d", which);
        tear_down(&s);
    }
}

/*
 * Claim:   a row that changes faster than it can be read is given as read last, dead, and never
 *          kept; the search ends.
 * Method:  every read is overtaken.
 */
Test(catload_unit, a_load_that_is_always_overtaken_ends_and_is_not_kept)
{
    struct scene s = set_up(1, 0);
    struct sv_cache_entry *entry = NULL;
    const struct sv_keys a = KEYS("a");
    store_set(s.store, RELATION, a, "old");
    look_from(&s, update_and_accept, 1000);
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &a, &entry), 0);
    cr_assert(sv_cache_entry_dead(entry));
    cr_assert_eq(s.fake->reads, 9);
    cr_assert_eq(counted(s.segment, SV_STAT_cache_reloads), 8);
    cr_assert_eq(state_of(s.cache).positive, 0);
    sv_cache_release(s.reader, entry);
    cr_assert_eq(state_of(s.cache).dead, 0);
    s.fake->meanwhile = NULL;
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new991");
    cr_assert_eq(s.fake->reads, 10);
    tear_down(&s);
}

/*
 * Claim:   an invalidation that arrives in a load inside a load makes the outer one stale, if it is
 *          the outer one's, and the inner one not.
 * Method:  while "a" is read, "b" is searched; while that is read, "a" changes.
 */
Test(catload_unit, an_invalidation_in_a_nested_load_reaches_the_outer_one)
{
    struct scene s = set_up(1, 0);
    store_set(s.store, RELATION, KEYS("a"), "old");
    look_from(&s, overtake_from_within, 2);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new");
    cr_assert_eq(s.fake->reads, 3, "a, b, and a again");
    tear_down(&s);
}

/*
 * Claim:   an error in a load is passed up and leaves nothing behind: no entry, no pin, no mark
 *          that it is being loaded (C7, C8, P8).
 * Method:  an error before, and one after the row was handed over; then the same search, the
 *          invalidation of it, and a list.
 */
Test(catload_unit, an_error_in_a_load_leaves_nothing)
{
    struct scene s = set_up(1, 0);
    struct sv_cache_entry *entry = NULL;
    struct sv_cache_list *list = NULL;
    const struct sv_keys a = KEYS("a");
    store_set(s.store, RELATION, a, "1");
    for (int round = 0; round < 2; round++) {
        s.fake->fail_read = round == 0 ? -EINTR : 0;
        s.fake->fail_after_visit = round == 1 ? -EINTR : 0;
        cr_assert_eq(sv_cache_search(s.reader, s.cache, &a, &entry), -EINTR);
        cr_assert_null(entry);
        s.fake->fail_after_visit = -EINTR;
        cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &a, &list), -EINTR);
        cr_assert_null(list);
        const struct sv_catcache_state state = state_of(s.cache);
        cr_assert_eq(state.positive + state.negative + state.dead + state.lists + state.pins, 0);
    }
    commit_elsewhere(s.other, s.store, a, "2");
    accept_all(s.reader);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "2");
    cr_assert_eq(counted(s.segment, SV_STAT_cache_reloads), 0);
    tear_down(&s);
}

#define MANY 600

static void fill(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    char key[16];
    if (s->left-- > 0) {
        for (int i = 0; i < MANY; i++) {
            snprintf(key, sizeof(key), "key%d", i);
            ASSERT_VALUE(self, s->cache, KEYS(key), NULL);
        }
    }
}

/*
 * Claim:   a cache that grows while an entry is being loaded puts that entry where it is found,
 *          and killed (E7: PostgreSQL keeps the bucket from before).
 * Method:  600 other searches inside the load, then search and invalidate.
 */
Test(catload_unit, growing_during_a_load_misplaces_nothing)
{
    struct scene s = set_up(1, 0);
    struct sv_cache_list *list = NULL;
    const struct sv_keys a = KEYS("a");
    store_set(s.store, RELATION, a, "1");
    const uint32_t before = state_of(s.cache).buckets;
    look_from(&s, fill, 1);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "1");
    cr_assert_gt(state_of(s.cache).buckets, before, "it did not grow");
    const uint32_t reads = s.fake->reads;
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "1");
    cr_assert_eq(s.fake->reads, reads, "the entry is not found");
    commit_elsewhere(s.other, s.store, a, "2");
    accept_all(s.reader);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "2");
    look_from(&s, fill, 1);
    cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &a, &list), 0);
    cr_assert_eq(sv_cache_list_count(list), 1);
    sv_cache_list_release(s.reader, list);
    tear_down(&s);
}

static void search_the_same(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    const struct sv_keys a = KEYS("a");
    struct sv_cache_list *list = NULL;
    if (s->left-- > 0) {
        (void)value_of(self, s->cache, a, (char[FAKE_TEXT_MAX]){0});
        cr_assert_eq(sv_cache_search_list(self, s->cache, &a, &list), 0);
        sv_cache_list_release(self, list);
    }
}

/*
 * Claim:   a load inside the load of the same keys leaves one entry, positive or negative, and one
 *          list.
 * Method:  the search, in the middle of itself.
 */
Test(catload_unit, a_load_inside_itself_leaves_one_entry)
{
    for (int absent = 0; absent < 2; absent++) {
        struct scene s = set_up(1, 0);
        struct sv_cache_list *list = NULL;
        const struct sv_keys a = KEYS("a");
        store_set(s.store, RELATION, KEYS(absent != 0 ? "b" : "a"), "1");
        look_from(&s, search_the_same, 1);
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), absent != 0 ? NULL : "1");
        look_from(&s, search_the_same, 1);
        cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &a, &list), 0);
        sv_cache_list_release(s.reader, list);
        const struct sv_catcache_state state = state_of(s.cache);
        cr_assert_eq(state.positive + state.negative, 1);
        cr_assert_eq(state.lists, 1);
        cr_assert_eq(state.pins, 0);
        tear_down(&s);
    }
}

static void reset_and_search_the_next(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    char key[16];
    sv_queue_reset_all(s->other);
    accept_all(self);
    if (s->left > 0) {
        snprintf(key, sizeof(key), "%d", s->left--);
        (void)value_of(self, s->cache, KEYS(key), (char[FAKE_TEXT_MAX]){0});
        s->left++;
    }
}

/*
 * Claim:   loads inside loads, all of them overtaken, cost a few repetitions in sum, not for each
 *          level those of the one above times nine (E8).
 * Method:  six levels, everyone reset in each reading.
 */
Test(catload_unit, nested_loads_share_their_repetitions)
{
    struct scene s = set_up(1, 0);
    look_from(&s, reset_and_search_the_next, 6);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    cr_assert_eq(counted(s.segment, SV_STAT_cache_reloads), 8);
    cr_assert_leq(s.fake->reads, 7 + 8 * 7);
    tear_down(&s);
}
