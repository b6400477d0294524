/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The order of a list that is given though it could not be kept.
 */
#include "cache_scene.h"

TestSuite(catlist_order_unit, .timeout = 30);

static const char *const seconds[] = {"c", "ab", "b", "a"};
static const char *const sorted[] = {"a", "ab", "b", "c"};

#define ROWS (sizeof(sorted) / sizeof(*sorted))

static void overtake(struct sv_backend *self, void *argument)
{
    struct scene *s = argument;
    if (s->left-- > 0) {
        commit_elsewhere(s->other, s->store, KEYS("x", "c"), "c");
        accept_all(self);
    }
}

/*
 * Claim:   a list is in the order of its keys' bytes, also if it is overtaken each time it is read,
 *          and so is not kept.
 * Method:  four rows put in another order, which the source lists as they were put; overtaken
 *          never, once and always.
 */
Test(catlist_order_unit, a_list_that_is_not_kept_is_in_order_too)
{
    static const int times[] = {0, 1, 1000};
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        struct scene s = set_up(2, 0);
        struct sv_cache_list *list = NULL;
        const struct sv_keys x = KEYS("x");
        for (uint32_t row = 0; row < ROWS; row++) {
            store_set(s.store, RELATION, KEYS("x", seconds[row]), seconds[row]);
        }
        look_from(&s, overtake, times[i]);
        cr_assert_eq(sv_cache_search_list(s.reader, s.cache, &x, &list), 0);
        cr_assert_eq(sv_cache_list_count(list), ROWS);
        for (uint32_t row = 0; row < ROWS; row++) {
            const struct sv_tuple *tuple = sv_cache_list_tuple(list, row);
            cr_assert(tuple->size_bytes == strlen(sorted[row]) &&
                          memcmp(tuple->data, sorted[row], tuple->size_bytes) == 0,
                      "overtaken %d times, row %u is not %s", times[i], row, sorted[row]);
        }
        sv_cache_list_release(s.reader, list);
        cr_assert_eq(state_of(s.cache).lists, times[i] == 1000 ? 0 : 1);
        tear_down(&s);
    }
}
