/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Relations whose objects are made of a catcache's rows, and hold them for as long as they live.
 */
#include "cache_scene.h"

TestSuite(relcache_rows_unit, .timeout = 30);

/* An object that keeps the row it was built from. */
struct holder {
    struct sv_backend *self;
    struct sv_catcache *rows;
    struct sv_cache_entry *row; /* of the newest object */
    uint32_t released;
};

static int build_from_row(struct sv_backend *self, uint32_t relation, void *argument, void **object)
{
    struct holder *holder = argument;
    const struct sv_keys keys = KEYS("a");
    (void)relation;
    const int result = sv_cache_search(self, holder->rows, &keys, &holder->row);
    *object = holder->row;
    return result;
}

static void release_row(void *object, void *argument)
{
    struct holder *holder = argument;
    cr_assert_arr_eq(sv_cache_tuple(object)->data, "old", 3);
    sv_cache_release(holder->self, object);
    holder->released++;
}

/*
 * Claim:   an object may hold a row of a catcache until it is destroyed, also by detach.
 * Method:  one object at detach, its row valid or dead, the relation open or not.
 */
Test(relcache_rows_unit, an_object_holds_its_row_until_detach)
{
    for (int way = 0; way < 4; way++) {
        struct scene s = set_up(1, 0);
        struct holder holder = {.self = s.reader, .rows = s.cache};
        const struct sv_relcache_options options = {
            .build = build_from_row, .destroy = release_row, .argument = &holder};
        struct sv_relcache *relations = NULL;
        struct sv_relation *relation = NULL;
        store_set(s.store, RELATION, KEYS("a"), "old");
        cr_assert_eq(sv_relcache_create(s.reader, &options, &relations), 0);
        cr_assert_eq(sv_relation_open(s.reader, relations, 5, &relation), 0);
        if ((way & 1) != 0) {
            commit_elsewhere(s.other, s.store, KEYS("a"), "new");
            accept_all(s.reader);
        }
        cr_assert_eq(sv_cache_entry_dead(holder.row), (way & 1) != 0);
        if ((way & 2) != 0) {
            sv_relation_close(s.reader, relation);
        }
        cr_assert_eq(holder.released, 0);
        tear_down(&s);
        cr_assert_eq(holder.released, 1);
    }
}
