/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Loads of what is not there: an absence and an empty list go stale as rows do.
 */
#include "cache_scene.h"

TestSuite(catload_absent_unit, .timeout = 30);

/* One reading and its repetitions, after which what was read last is given out. */
#define READINGS 9

/* "a" is told to have changed in each reading; in the last it comes to be. */
static void insert_in_the_last(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    if (s->left > 0) {
        s->left--;
        commit_elsewhere(s->other, s->store, KEYS("a"), s->left == 0 ? "here" : NULL);
        accept_all(self);
    }
}

static uint32_t rows_in_list(struct scene *s)
{
    const struct sv_keys a = KEYS("a");
    struct sv_cache_list *list = NULL;
    cr_assert_eq(sv_cache_search_list(s->reader, s->cache, &a, &list), 0);
    const uint32_t count = sv_cache_list_count(list);
    sv_cache_list_release(s->reader, list);
    return count;
}

/*
 * Claim:   an absence that is overtaken whenever it is found out is answered, and not remembered.
 * Method:  every reading is overtaken, the last by the row: it is found by the next search.
 */
Test(catload_absent_unit, an_absence_that_is_always_overtaken_is_not_kept)
{
    struct scene s = set_up(1, 0);
    look_from(&s, insert_in_the_last, READINGS);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    cr_assert_eq(s.fake->reads, READINGS);
    cr_assert_eq(s.left, 0, "the last reading was not overtaken");
    const struct sv_catcache_state state = state_of(s.cache);
    cr_assert_eq(state.positive + state.negative + state.dead + state.pins, 0);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "here");
    tear_down(&s);
}

/*
 * Claim:   so is a list without rows.
 * Method:  the same for the list of "a".
 */
Test(catload_absent_unit, an_empty_list_that_is_always_overtaken_is_not_kept)
{
    struct scene s = set_up(1, 0);
    look_from(&s, insert_in_the_last, READINGS);
    cr_assert_eq(rows_in_list(&s), 0);
    cr_assert_eq(s.fake->reads, READINGS);
    cr_assert_eq(s.left, 0, "the last reading was not overtaken");
    const struct sv_catcache_state state = state_of(s.cache);
    cr_assert_eq(state.lists + state.pins, 0);
    cr_assert_eq(rows_in_list(&s), 1);
    tear_down(&s);
}

/*
 * Claim:   an invalidation that arrives in a load inside the load of a list makes the list stale,
 *          and the inner one not (C2).
 * Method:  while the list of "a" is read, "b" is searched; while that is read, "a" is inserted.
 */
Test(catload_absent_unit, an_invalidation_in_a_nested_load_reaches_the_list_outside)
{
    struct scene s = set_up(1, 0);
    look_from(&s, overtake_from_within, 2);
    cr_assert_eq(rows_in_list(&s), 1);
    cr_assert_eq(s.fake->reads, 3, "the list, b, and the list again");
    cr_assert_eq(state_of(s.cache).negative, 1, "b is kept");
    tear_down(&s);
}
