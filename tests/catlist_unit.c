/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Lists: all rows that begin with some keys, complete and in order, whatever comes in between.
 */
#include "cache_scene.h"

TestSuite(catlist_unit, .timeout = 30);

/* The values of a list, joined by spaces, in text. */
static const char *values_of(struct scene *s, struct sv_keys keys, char text[256])
{
    struct sv_cache_list *list = NULL;
    const int result = sv_cache_search_list(s->reader, s->cache, &keys, &list);
    cr_assert_eq(result, 0, "sv_cache_search_list gives %d", result);
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < sv_cache_list_count(list); i++) {
        const struct sv_tuple *tuple = sv_cache_list_tuple(list, i);
        used += (size_t)snprintf(text + used, 256 - used, "%s%.*s", i > 0 ? " " : "",
                                 (int)tuple->size_bytes, (const char *)tuple->data);
    }
    sv_cache_list_release(s->reader, list);
    return text;
}

#define ASSERT_VALUES(scene, keys, expected)                       \
    do {                                                           \
        char text_[256];                                           \
        cr_assert_str_eq(values_of(scene, keys, text_), expected); \
    } while (0)

/*
 * Claim:   a list has every row that begins with its keys, no other, in the order of the keys'
 *          bytes, and is read once.
 * Method:  rows put in another order, keys of different lengths; partial, complete and unmatched
 *          keys.
 */
Test(catlist_unit, a_list_is_complete_and_in_order)
{
    struct scene s = set_up(2, 0);
    store_set(s.store, RELATION, KEYS("x", "b"), "xb");
    store_set(s.store, RELATION, KEYS("x", "ab"), "xab");
    store_set(s.store, RELATION, KEYS("y", "a"), "ya");
    store_set(s.store, RELATION, KEYS("x", "a"), "xa");
    store_set(s.store, RELATION, KEYS("xx", "a"), "xxa");
    store_set(s.store, RELATION, KEYS("x", ""), "x");
    store_set(s.store, RELATION + 1, KEYS("x", "c"), "other relation");
    for (int i = 0; i < 2; i++) {
        ASSERT_VALUES(&s, KEYS("x"), "x xa xab xb");
        ASSERT_VALUES(&s, KEYS("x", "a"), "xa");
        ASSERT_VALUES(&s, KEYS("z"), "");
    }
    cr_assert_eq(s.fake->reads, 3);
    cr_assert_eq(state_of(s.cache).lists, 3);
    cr_assert_eq(state_of(s.cache).pins, 0);
    tear_down(&s);
}

/*
 * Claim:   any invalidation of the cache makes its lists stale, also that of a row which is in none
 *          of them; one of another cache does not.
 * Method:  an insert that belongs to the list, a delete, a message for another cache.
 */
Test(catlist_unit, any_invalidation_of_the_cache_makes_lists_stale)
{
    struct scene s = set_up(2, 0);
    store_set(s.store, RELATION, KEYS("x", "a"), "xa");
    ASSERT_VALUES(&s, KEYS("x"), "xa");
    commit_elsewhere(s.other, s.store, KEYS("x", "b"), "xb");
    ASSERT_VALUES(&s, KEYS("x"), "xa");
    accept_all(s.reader);
    ASSERT_VALUES(&s, KEYS("x"), "xa xb");
    commit_elsewhere(s.other, s.store, KEYS("x", "a"), NULL);
    accept_all(s.reader);
    ASSERT_VALUES(&s, KEYS("x"), "xb");
    const uint32_t reads = s.fake->reads;
    const struct sv_message elsewhere = {
        .kind = SV_MESSAGE_CATCACHE,
        .catcache = {RELATION + 1, about_row(KEYS("x", "b")).catcache.hash},
    };
    sv_send_messages(s.other, &elsewhere, 1);
    accept_all(s.reader);
    ASSERT_VALUES(&s, KEYS("x"), "xb");
    cr_assert_eq(s.fake->reads, reads);
    tear_down(&s);
}

static void insert_into_the_list(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    if (s->left-- > 0) {
        commit_elsewhere(s->other, s->store, KEYS("x", "b"), "xb");
        accept_all(self);
    }
}

/*
 * Claim:   a row inserted while a list is being read is not missing from it (C3).
 * Method:  the insert comes after the rows were selected and before they are handed over.
 */
Test(catlist_unit, a_row_inserted_while_a_list_is_read_is_in_it)
{
    struct scene s = set_up(2, 0);
    store_set(s.store, RELATION, KEYS("x", "a"), "xa");
    look_from(&s, insert_into_the_list, 1);
    ASSERT_VALUES(&s, KEYS("x"), "xa xb");
    cr_assert_eq(s.fake->reads, 2);
    ASSERT_VALUES(&s, KEYS("x"), "xa xb");
    cr_assert_eq(s.fake->reads, 2, "it was not kept");
    tear_down(&s);
}

/*
 * Claim:   a list that is always overtaken is given as read last, and not kept.
 * Method:  each of its reads is.
 */
Test(catlist_unit, a_list_that_is_always_overtaken_ends_and_is_not_kept)
{
    struct scene s = set_up(2, 0);
    store_set(s.store, RELATION, KEYS("x", "a"), "xa");
    look_from(&s, insert_into_the_list, 1000);
    ASSERT_VALUES(&s, KEYS("x"), "xa xb");
    cr_assert_eq(s.fake->reads, 9);
    const struct sv_catcache_state state = state_of(s.cache);
    cr_assert_eq(state.lists + state.pins + state.dead, 0);
    tear_down(&s);
}

/*
 * Claim:   a pinned list that goes stale stays as it is, and the next search makes another.
 * Method:  hold one over an update and a reset.
 */
Test(catlist_unit, a_pinned_list_stays_as_it_is)
{
    struct scene s = set_up(2, 0);
    struct sv_cache_list *list = NULL;
    const struct sv_keys x = KEYS("x");
    store_set(s.store, RELATION, KEYS("x", "a"), "old");
    cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &x, &list), 0);
    cr_assert_eq(state_of(s.cache).pins, 1);
    commit_elsewhere(s.other, s.store, KEYS("x", "a"), "new");
    accept_all(s.reader);
    ASSERT_VALUES(&s, KEYS("x"), "new");
    sv_queue_reset_all(s.other);
    accept_all(s.reader);
    cr_assert_arr_eq(sv_cache_list_tuple(list, 0)->data, "old", 3);
    sv_cache_list_release(s.reader, list);
    cr_assert_eq(state_of(s.cache).pins, 0);
    cr_assert_eq(state_of(s.cache).lists, 0);
    tear_down(&s);
}

/*
 * Claim:   lists keep to the limit, too.
 * Method:  a limit of 2, five lists, all released.
 */
Test(catlist_unit, lists_keep_to_the_limit)
{
    struct scene s = set_up(2, 2);
    const char *const firsts[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        store_set(s.store, RELATION, KEYS(firsts[i], "1"), firsts[i]);
        ASSERT_VALUES(&s, KEYS(firsts[i]), firsts[i]);
    }
    cr_assert_eq(state_of(s.cache).lists, 2);
    tear_down(&s);
}

/*
 * Claim:   lists and entries of the same cache are each their own: a list of one row by all keys is
 *          no entry, and a list does not answer a search.
 * Method:  the same keys as a list and as a row.
 */
Test(catlist_unit, lists_and_entries_are_kept_apart)
{
    struct scene s = set_up(1, 0);
    store_set(s.store, RELATION, KEYS("x"), "1");
    ASSERT_VALUES(&s, KEYS("x"), "1");
    ASSERT_VALUE(s.reader, s.cache, KEYS("x"), "1");
    cr_assert_eq(s.fake->reads, 2);
    commit_elsewhere(s.other, s.store, KEYS("x"), "2");
    accept_all(s.reader);
    ASSERT_VALUE(s.reader, s.cache, KEYS("x"), "2");
    ASSERT_VALUES(&s, KEYS("x"), "2");
    tear_down(&s);
}

/*
 * Claim:   a list has all of its rows, in order, however many.
 * Method:  300 rows, put from the last to the first; each one's value is its key.
 */
Test(catlist_unit, a_long_list_is_complete_and_in_order)
{
    enum { ROWS = 300 };

    struct scene s = set_up(2, 0);
    struct sv_cache_list *list = NULL;
    const struct sv_keys x = KEYS("x");
    char text[16];
    for (int i = ROWS - 1; i >= 0; i--) {
        (void)snprintf(text, sizeof(text), "%05d", i);
        store_set(s.store, RELATION, KEYS("x", text), text);
    }
    cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &x, &list), 0);
    cr_assert_eq(sv_cache_list_count(list), ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct sv_tuple *tuple = sv_cache_list_tuple(list, i);
        (void)snprintf(text, sizeof(text), "%05u", i);
        cr_assert(tuple->size_bytes == 5 && memcmp(tuple->data, text, 5) == 0, "row %u", i);
    }
    sv_cache_list_release(s.reader, list);
    tear_down(&s);
}
