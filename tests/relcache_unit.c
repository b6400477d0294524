/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Relcache: whoever holds a relation has its current object after each accept. Ids in claims are
 * those of PostgreSQL's bugs that this was, or (E) is.
 */
#include "relcache_scene.h"

TestSuite(relcache_unit, .timeout = 30);

/*
 * Claim:   a relation is built once and kept, for any number of holders, also when closed.
 * Method:  open it twice, close it, open it again.
 */
Test(relcache_unit, a_relation_is_built_once)
{
    struct relscene *s = relscene_new();
    struct sv_relation *first = opened(s, 5);
    struct sv_relation *second = opened(s, 5);
    cr_assert_eq(first, second);
    sv_relation_close(s->reader, first);
    sv_relation_close(s->reader, second);
    sv_relation_close(s->reader, opened(s, 5));
    cr_assert_eq(s->builds, 1);
    struct sv_relation *none = NULL;
    s->catalogue[6] = 0;
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 6, &none), SV_NOT_FOUND);
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 0, &none), SV_NOT_FOUND);
    cr_assert_null(none);
    struct sv_relcache *again = NULL;
    cr_assert_eq(sv_relcache_create(s->reader, &(struct sv_relcache_options){0}, &again), -EEXIST);
    relscene_end(s);
}

/*
 * Claim:   a held relation is rebuilt in place by accept: the same address, a new object, the old
 *          one destroyed; one that nobody holds is built when it is opened again.
 * Method:  alter both, accept.
 */
Test(relcache_unit, a_held_relation_is_rebuilt_in_place)
{
    struct relscene *s = relscene_new();
    struct sv_relation *held = opened(s, 5);
    sv_relation_close(s->reader, opened(s, 6));
    const uint64_t builds = held->builds;
    alter(s, 5, 2);
    alter(s, 6, 2);
    cr_assert_eq(number_of(held), 1);
    accept_in(s);
    cr_assert_eq(number_of(held), 2);
    cr_assert_eq(held->builds, builds + 1);
    cr_assert_eq(s->builds, 3);
    cr_assert_eq(s->live_objects, 1, "nobody holds relation 6, which is stale");
    struct sv_relation *again = opened(s, 6);
    cr_assert_eq(number_of(again), 2);
    sv_relation_close(s->reader, again);
    sv_relation_close(s->reader, held);
    relscene_end(s);
}

static void alter_and_accept(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    if (s->left > 0) {
        s->left--;
        alter(s, relation, s->catalogue[relation] + 1);
        cr_assert_eq(sv_accept_messages(self), 0);
    }
}

/*
 * Claim:   an invalidation that arrives in the middle of a first build is not lost (R1, P5).
 * Method:  the relation is altered after the build has read it.
 */
Test(relcache_unit, an_invalidation_during_a_first_build_is_not_lost)
{
    struct relscene *s = relscene_new();
    s->meanwhile = alter_and_accept;
    s->left = 1;
    struct sv_relation *held = opened(s, 5);
    cr_assert_eq(number_of(held), 2);
    cr_assert_eq(s->builds, 2);
    cr_assert_eq(s->live_objects, 1);
    sv_relation_close(s->reader, held);
    relscene_end(s);
}

/*
 * Claim:   an invalidation that arrives in the middle of a rebuild in place is not lost (E1, R2,
 *          open in PostgreSQL).
 * Method:  the relation is held and altered; its rebuild is overtaken by another alteration: in
 *          accept, and in open after an accept that failed.
 */
Test(relcache_unit, an_invalidation_during_a_rebuild_in_place_is_not_lost)
{
    struct relscene *s = relscene_new();
    struct sv_relation *held = opened(s, 5);
    s->meanwhile = alter_and_accept;
    s->left = 1;
    alter(s, 5, 10);
    accept_in(s);
    cr_assert_eq(number_of(held), 11);
    alter(s, 5, 20);
    s->fail_build = -EINTR;
    cr_assert_eq(sv_accept_messages(s->reader), -EINTR);
    s->left = 1;
    cr_assert_eq(opened(s, 5), held);
    cr_assert_eq(number_of(held), 21);
    sv_relation_close(s->reader, held);
    sv_relation_close(s->reader, held);
    relscene_end(s);
}

static void reset_and_accept(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    if (s->left-- > 0) {
        s->catalogue[relation]++;
        sv_queue_reset_all(s->other);
        cr_assert_eq(sv_accept_messages(self), 0);
    }
}

/*
 * Claim:   the same for a reset.
 * Method:  everyone is reset in the middle of a first build and of a rebuild.
 */
Test(relcache_unit, a_reset_during_a_build_is_not_lost)
{
    struct relscene *s = relscene_new();
    s->meanwhile = reset_and_accept;
    s->left = 1;
    struct sv_relation *held = opened(s, 5);
    cr_assert_eq(number_of(held), 2);
    alter(s, 5, 10);
    s->left = 1;
    accept_in(s);
    cr_assert_eq(number_of(held), 11);
    sv_relation_close(s->reader, held);
    relscene_end(s);
}

/*
 * Claim:   a relation that changes faster than it can be built keeps neither accept nor open from
 *          returning; it stays marked, and is right as soon as it can be (E8).
 * Method:  every build is overtaken; then none.
 */
Test(relcache_unit, being_overtaken_for_ever_ends)
{
    struct relscene *s = relscene_new();
    s->meanwhile = alter_and_accept;
    s->left = 1000;
    struct sv_relation *held = opened(s, 5);
    cr_assert_eq(s->builds, 9);
    alter(s, 5, 100);
    accept_in(s);
    cr_assert_eq(s->builds, 17);
    cr_assert_eq(s->depth_max, 1);
    s->left = 0;
    accept_in(s);
    cr_assert_eq(number_of(held), s->catalogue[5]);
    const uint32_t builds = s->builds;
    accept_in(s);
    cr_assert_eq(s->builds, builds);
    sv_relation_close(s->reader, held);
    relscene_end(s);
}

static void open_next(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    struct sv_relation *next = NULL;
    if (relation < 40) {
        sv_queue_reset_all(s->other);
        cr_assert_eq(sv_accept_messages(self), 0);
        cr_assert_eq(sv_relation_open(self, s->cache, relation + 1, &next), 0);
        sv_relation_close(self, next);
    }
}

/*
 * Claim:   builds that open other relations and are reset on the way nest as deep as the relations
 *          do, and no deeper (E8, R7, R13).
 * Method:  40 relations held; each build resets, accepts, and opens the next.
 */
Test(relcache_unit, resets_in_nested_builds_do_not_recurse)
{
    struct relscene *s = relscene_new();
    struct sv_relation *held[40];
    for (uint32_t i = 0; i < 40; i++) {
        held[i] = opened(s, i + 1);
    }
    s->meanwhile = open_next;
    sv_queue_reset_all(s->other);
    accept_in(s);
    cr_assert_leq(s->depth_max, 40);
    cr_assert_leq(s->builds, 40 + 8 * 40 * (40 + 8),
                  "as many as the depth allows, not to its power");
    s->meanwhile = NULL;
    accept_in(s);
    for (uint32_t i = 0; i < 40; i++) {
        cr_assert_eq(number_of(held[i]), 1);
        sv_relation_close(s->reader, held[i]);
    }
    relscene_end(s);
}

/*
 * Claim:   an error of a rebuild leaves the old object whole and the entry invalid; the next accept
 *          tries again, and other relations are rebuilt at once all the same (R4, E3).
 * Method:  two held relations, the first to be rebuilt fails.
 */
Test(relcache_unit, an_error_leaves_the_old_object_and_is_tried_again)
{
    struct relscene *s = relscene_new();
    struct sv_relation *a = opened(s, 5);
    struct sv_relation *b = opened(s, 6);
    struct sv_relation *again = NULL;
    alter(s, 5, 2);
    alter(s, 6, 2);
    s->fail_build = -EINTR;
    cr_assert_eq(sv_accept_messages(s->reader), -EINTR);
    cr_assert_eq(number_of(a) + number_of(b), 3, "one old, one new");
    s->fail_build = -EINTR;
    cr_assert_eq(sv_relation_open(s->reader, s->cache, number_of(a) == 1 ? 5 : 6, &again), -EINTR);
    cr_assert_null(again);
    accept_in(s);
    cr_assert(number_of(a) == 2 && number_of(b) == 2);
    s->fail_build = -ENOSPC;
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 7, &again), -ENOSPC);
    sv_relation_close(s->reader, opened(s, 7));
    sv_relation_close(s->reader, a);
    sv_relation_close(s->reader, b);
    relscene_end(s);
}

static void close_and_reset(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    if (s->left-- > 0) {
        cr_assert_eq(relation, 5);
        sv_relation_close(self, s->held[0]);
        sv_queue_reset_all(s->other);
        cr_assert_eq(sv_accept_messages(self), 0);
    }
}

/*
 * Claim:   a relation under rebuild is not freed when its last holder closes it and everything is
 *          reset meanwhile (R5).
 * Method:  both, in the middle of the rebuild; the address sanitizer looks on.
 */
Test(relcache_unit, closing_it_during_its_rebuild_frees_nothing_in_use)
{
    struct relscene *s = relscene_new();
    s->held[0] = opened(s, 5);
    s->meanwhile = close_and_reset;
    s->left = 1;
    alter(s, 5, 2);
    accept_in(s);
    s->meanwhile = NULL;
    struct sv_relation *again = opened(s, 5);
    cr_assert_eq(number_of(again), 2);
    sv_relation_close(s->reader, again);
    relscene_end(s);
}

static void open_and_close_others(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    const uint32_t which = relation % 64;
    if (relation > 64) {
        return; /* opened here */
    }
    for (uint32_t i = 0; i < 20; i++) { /* the cache grows */
        const uint32_t other = 100 + (relation * 20 + i) % 1900;
        struct sv_relation *r = NULL;
        cr_assert_eq(sv_relation_open(self, s->cache, other, &r), 0);
        sv_relation_close(self, r);
    }
    if (which != 0 && which % 2 == 0 && s->held[which - 1] != NULL) {
        sv_relation_close(self, s->held[which - 1]); /* one that is still to be rebuilt, or was */
        s->held[which - 1] = NULL;
    }
    alter(s, 100 + relation, 3);
    cr_assert_eq(sv_accept_messages(self), 0);
}

/*
 * Claim:   rebuilds that open, close and invalidate other relations disturb no scan of the cache
 *          (R6).
 * Method:  63 held relations and a reset; each rebuild opens 20 others, closes a neighbour, has one
 *          more altered. All that are still held are right at the end.
 */
Test(relcache_unit, rebuilds_may_open_close_and_invalidate_others)
{
    struct relscene *s = relscene_new();
    for (uint32_t i = 1; i < 64; i++) {
        s->held[i] = opened(s, i);
    }
    s->meanwhile = open_and_close_others;
    for (uint32_t i = 1; i < 64; i++) {
        s->catalogue[i] = 2;
    }
    sv_queue_reset_all(s->other);
    accept_in(s);
    s->meanwhile = NULL;
    accept_in(s);
    uint32_t held = 0;
    for (uint32_t i = 1; i < 64; i++) {
        if (s->held[i] != NULL) {
            cr_assert_eq(number_of(s->held[i]), 2, "relation %u", i);
            sv_relation_close(s->reader, s->held[i]);
            held++;
        }
    }
    cr_assert_eq(held, 32, "%u were closed", 63 - held);
    relscene_end(s);
}

/*
 * Claim:   a held relation that is found to be gone keeps its object and says so; nobody can open
 *          it anew; if it comes back, it is rebuilt (R10).
 * Method:  drop, accept, open, create, accept, close.
 */
Test(relcache_unit, a_dropped_relation_keeps_its_object_while_held)
{
    struct relscene *s = relscene_new();
    struct sv_relation *held = opened(s, 5);
    struct sv_relation *again = NULL;
    alter(s, 5, 0);
    accept_in(s);
    cr_assert(held->dropped);
    cr_assert_eq(number_of(held), 1);
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 5, &again), SV_NOT_FOUND);
    cr_assert_eq(s->builds, 2, "that it is gone was known");
    alter(s, 5, 3);
    accept_in(s);
    cr_assert_not(held->dropped);
    cr_assert_eq(number_of(held), 3);
    alter(s, 5, 0);
    accept_in(s);
    sv_relation_close(s->reader, held);
    cr_assert_eq(s->live_objects, 0, "the last holder takes it along");
    relscene_end(s);
}

static void open_itself(struct relscene *s, struct sv_backend *self, uint32_t relation)
{
    struct sv_relation *r = NULL;
    if (relation == 5) {
        cr_assert_eq(sv_relation_open(self, s->cache, 5, &r), -EDEADLK);
        cr_assert_eq(sv_relation_open(self, s->cache, 6, &r), -EDEADLK);
    } else if (relation == 6) {
        cr_assert_eq(sv_relation_open(self, s->cache, 5, &r), -EDEADLK);
        s->fail_build = -EDEADLK;
    }
}

/*
 * Claim:   a build that opens its own relation, also by way of another, is told -EDEADLK (R13).
 * Method:  5 opens 5 and 6, whose build opens 5; first build and rebuild.
 */
Test(relcache_unit, a_relation_cannot_be_opened_in_its_own_build)
{
    struct relscene *s = relscene_new();
    struct sv_relation *r = NULL;
    s->meanwhile = open_itself;
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(sv_relation_open(s->reader, s->cache, 5, &r), 0);
        alter(s, 5, 2);
        accept_in(s);
        sv_relation_close(s->reader, r);
        alter(s, 5, 2);
        accept_in(s);
    }
    cr_assert_eq(s->builds, 8, "two of each");
    relscene_end(s);
}

/* Claim: relation 0, which stands for all of them, is none: it is not found, and not built. */
Test(relcache_unit, relation_zero_is_none)
{
    struct relscene *s = relscene_new();
    struct sv_relation *r = NULL;
    s->catalogue[0] = 1;
    cr_assert_eq(sv_relation_open(s->reader, s->cache, 0, &r), SV_NOT_FOUND);
    cr_assert(r == NULL && s->builds == 0);
    relscene_end(s);
}

static void look_at_the_new_one(struct relscene *s, struct relation_object *object)
{
    if (s->held[0] != NULL) {
        cr_assert_neq(s->held[0]->object, (void *)object, "destroyed while it is still shown");
        cr_assert_eq(number_of(s->held[0]), 2);
        s->left++;
    }
}

/*
 * Claim:   the old object is destroyed after the new one has been installed (R4).
 * Method:  destroy looks at what its relation shows.
 */
Test(relcache_unit, the_old_object_goes_when_the_new_one_is_there)
{
    struct relscene *s = relscene_new();
    s->when_destroyed = look_at_the_new_one;
    s->held[0] = opened(s, 5);
    alter(s, 5, 2);
    accept_in(s);
    cr_assert_eq(s->left, 1);
    struct sv_relation *held = s->held[0];
    s->held[0] = NULL;
    sv_relation_close(s->reader, held);
    relscene_end(s);
}

static void close_what_it_holds(struct relscene *s, struct relation_object *object)
{
    if (object->holds != NULL) {
        sv_relation_close(s->reader, object->holds);
    }
}

/*
 * Claim:   an object may hold another relation open and close it when it is destroyed: at a
 *          rebuild, when nobody holds it any more, and at detach.
 * Method:  objects of 5 and 7 hold 6.
 */
Test(relcache_unit, an_object_may_hold_another_relation)
{
    struct relscene *s = relscene_new();
    s->when_destroyed = close_what_it_holds;
    struct sv_relation *five = opened(s, 5);
    struct sv_relation *seven = opened(s, 7);
    ((struct relation_object *)five->object)->holds = opened(s, 6);
    ((struct relation_object *)seven->object)->holds = opened(s, 6);
    alter(s, 6, 2);
    alter(s, 5, 2);
    accept_in(s);
    cr_assert_eq(number_of(five), 2);
    cr_assert_eq(number_of(((struct relation_object *)seven->object)->holds), 2);
    sv_relation_close(s->reader, five);
    sv_relation_close(s->reader, seven);
    alter(s, 5, 3);
    alter(s, 6, 3);
    accept_in(s);
    cr_assert_eq(s->live_objects, 2, "5 is stale and not held; 6 is held by 7");
    relscene_end(s);
}

static void alter_when_destroyed(struct relscene *s, struct relation_object *object)
{
    if (s->left-- > 0) {
        alter(s, object->relation, 50);
        accept_in(s);
    }
}

/*
 * Claim:   what arrives while the old object is being destroyed is not lost.
 * Method:  destroy accepts a message about its own relation.
 */
Test(relcache_unit, an_invalidation_during_destroy_is_not_lost)
{
    struct relscene *s = relscene_new();
    struct sv_relation *held = opened(s, 5);
    s->when_destroyed = alter_when_destroyed;
    s->left = 1;
    alter(s, 5, 2);
    accept_in(s);
    cr_assert_eq(number_of(held), 50);
    sv_relation_close(s->reader, held);
    relscene_end(s);
}

/*
 * Claim:   a transaction's own message rebuilds a held relation at command end, and its rollback
 *          makes it stale again, to be rebuilt by the next accept.
 * Method:  the catalogue changes with the transaction; builds are looked at after each step.
 */
Test(relcache_unit, ones_own_change_rebuilds_at_command_end)
{
    struct relscene *s = relscene_new();
    struct sv_relation *held = opened(s, 5);
    cr_assert_eq(sv_transaction_begin(s->reader, NULL), 0);
    s->catalogue[5] = 2;
    cr_assert_eq(sv_invalidate_relation(s->reader, 5, false), 0);
    cr_assert_eq(number_of(held), 1);
    cr_assert_eq(sv_command_end(s->reader), 0);
    cr_assert_eq(number_of(held), 2);
    s->catalogue[5] = 1;
    sv_transaction_rollback(s->reader);
    accept_in(s);
    cr_assert_eq(number_of(held), 1);
    sv_relation_close(s->reader, held);
    relscene_end(s);
}
