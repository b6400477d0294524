/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a build that does not come to its end leaves behind, and what it takes along: nothing.
 * Ids in claims are those of PostgreSQL's bugs that this is.
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

/* A callback that counts what it is told. */
struct told {
    uint32_t messages; /* about relation 5 */
    uint32_t resets;
};

static int tell(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct told *told = argument;
    (void)self;
    told->resets += message == NULL;
    told->messages += message != NULL && message->relation.relation == 5;
    return 0;
}

/*
 * Claim:   an error of a rebuild in the middle of a reset loses neither the reset for any callback
 *          nor the rebuild for any relation, and nobody is told twice (E2: PostgreSQL takes the
 *          mark first, rebuilds, and never calls back).
 * Method:  two held relations and a callback; everything changes, the reader is reset, and the
 *          first rebuild fails twice.
 */
Test(relcache_error_unit, a_rebuild_that_fails_during_a_reset_loses_nothing)
{
    struct relscene *s = relscene_new();
    struct told told = {0};
    struct sv_relation *a = opened(s, 5);
    struct sv_relation *b = opened(s, 6);
    cr_assert_eq(sv_callback_register(s->reader, SV_MESSAGE_RELCACHE, tell, &told), 0);
    s->catalogue[5] = s->catalogue[6] = 2;
    sv_queue_reset_all(s->other);
    s->fail_build = -EINTR;
    cr_assert_eq(sv_accept_messages(s->reader), -EINTR);
    cr_assert_eq(told.resets, 1, "the callback was not told of the reset");
    s->fail_build = -EINTR;
    cr_assert_eq(sv_accept_messages(s->reader), -EINTR);
    accept_in(s);
    cr_assert(number_of(a) == 2 && number_of(b) == 2, "a relation was not rebuilt");
    cr_assert_eq(told.resets, 1);
    sv_relation_close(s->reader, a);
    sv_relation_close(s->reader, b);
    relscene_end(s);
}

/*
 * Claim:   an error of a rebuild for one message loses that message for no callback, nor for the
 *          relation, nor those after it (E3: PostgreSQL's position had moved on already).
 * Method:  the same with two messages, of which the first one's rebuild fails.
 */
Test(relcache_error_unit, a_rebuild_that_fails_for_a_message_loses_nothing)
{
    struct relscene *s = relscene_new();
    struct told told = {0};
    struct sv_relation *a = opened(s, 5);
    struct sv_relation *b = opened(s, 6);
    cr_assert_eq(sv_callback_register(s->reader, SV_MESSAGE_RELCACHE, tell, &told), 0);
    alter(s, 5, 2);
    alter(s, 6, 2);
    s->fail_build = -EINTR;
    cr_assert_eq(sv_accept_messages(s->reader), -EINTR);
    alter(s, 5, 3);
    accept_in(s);
    cr_assert(number_of(a) == 3 && number_of(b) == 2, "a relation was not rebuilt");
    cr_assert_eq(told.messages, 2, "of two messages, %u were told", told.messages);
    cr_assert_eq(told.resets, 0);
    sv_relation_close(s->reader, a);
    sv_relation_close(s->reader, b);
    relscene_end(s);
}

static void accept_when_destroyed(struct relscene *s, struct relation_object *object)
{
    (void)object;
    accept_in(s);
}

/*
 * Claim:   a destroy may accept, also when the backend detaches: nothing is built then, since
 *          nobody would destroy it.
 * Method:  two relations that are open and stale; the first one's destroy accepts.
 */
Test(relcache_error_unit, a_destroy_may_accept_when_all_is_closed)
{
    struct relscene *s = relscene_new();
    for (int i = 0; i < 2; i++) {
        (void)opened(s, 5);
        (void)opened(s, 6);
    }
    s->when_destroyed = accept_when_destroyed;
    alter(s, 5, 2);
    alter(s, 6, 2);
    relscene_end(s);
}
