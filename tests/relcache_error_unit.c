/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a build that does not come to its end leaves behind.
 */
#include "relcache_scene.h"

TestSuite(relcache_error_unit, .timeout = 20);

static void overtake_then_fail(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    if (s->builds == 1) {
        alter(s, relation, 2);
        cr_assert_eq(sv_accept_messages(self), 0);
    } else {
        s->fail_build = -EIO;
    }
}

static void overtake_by_drop(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    if (s->builds == 1) {
        alter(s, relation, 0);
        cr_assert_eq(sv_accept_messages(self), 0);
    }
}

/*
 * Claim:   an open whose first build was overtaken, and whose second one fails or finds the
 *          relation gone, leaves nothing: the object of the first is destroyed.
 * Method:  both ways; objects alive are counted. (Found by memcheck.)
 */
Test(relcache_error_unit, an_overtaken_build_that_then_fails_leaves_no_object)
{
    struct relscene *s = relscene_new();
    struct sv_relation *none = NULL;
    s->meanwhile = overtake_then_fail;
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 5, &none), -EIO);
    cr_assert_eq(s->builds, 2, "the first build was not overtaken");
    cr_assert_eq(s->live_objects, 0);
    s->builds = 0;
    s->meanwhile = overtake_by_drop;
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 6, &none), SV_NOT_FOUND);
    cr_assert_eq(s->builds, 2);
    cr_assert_eq(s->live_objects, 0);
    cr_assert_null(none);
    relscene_end(s);
}
