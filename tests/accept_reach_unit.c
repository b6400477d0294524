/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a message reaches: every cache that it names, in every database that it concerns, from
 * anywhere in the ring, inside a transaction and outside.
 */
#include "cache_scene.h"

TestSuite(accept_reach_unit, .timeout = 30);

enum { CHAINS = 64, CACHES = 4 }; /* ids that differ by CHAINS share a chain */

static struct sv_catcache *cache_with(struct sv_backend *self, struct fake *fake, uint32_t id,
                                      uint32_t relation)
{
    struct sv_catcache *cache = NULL;
    const struct sv_catcache_options options = {
        .cache = id, .relation = relation, .key_count = 1, .source = &fake->source};
    cr_assert_eq(sv_catcache_create(self, &options, &cache), 0);
    return cache;
}

static struct sv_message of_catalog(uint32_t relation)
{
    return (struct sv_message){.kind = SV_MESSAGE_CATALOG, .relation = {.relation = relation}};
}

static struct sv_message of_cache(uint32_t cache)
{
    struct sv_message message = about_row(KEYS("a"));
    message.catcache.cache = cache;
    return message;
}

/*
 * Claim:   a catcache message reaches the cache that it names, a catalog message every cache over
 *          its relation; neither reaches another.
 * Method:  four caches, three of one relation and three of one chain, with a row in each; which
 *          rows have died after each message.
 */
Test(accept_reach_unit, a_message_reaches_every_cache_it_is_for_and_no_other)
{
    static const struct {
        uint32_t id;
        uint32_t relation;
    } caches[CACHES] = {
        {RELATION, RELATION},
        {RELATION + 1, RELATION},
        {RELATION + CHAINS, RELATION},
        {RELATION + 2 * CHAINS, RELATION + 1},
    };

    const struct {
        struct sv_message message;
        bool dies[CACHES];
    } cases[] = {
        {of_cache(RELATION), {true, false, false, false}},
        {of_cache(RELATION + 1), {false, true, false, false}},
        {of_cache(RELATION + CHAINS), {false, false, true, false}},
        {of_cache(RELATION + 2 * CHAINS), {false, false, false, true}},
        {of_cache(RELATION + 3 * CHAINS), {false, false, false, false}},
        {of_catalog(RELATION), {true, true, true, false}},
        {of_catalog(RELATION + 1), {false, false, false, true}},
        {of_catalog(RELATION + 2), {false, false, false, false}},
    };

    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s = set_up(1, 0);
        struct sv_backend *self = join(s.segment);
        struct sv_catcache *made[CACHES];
        for (uint32_t c = 0; c < CACHES; c++) {
            made[c] = cache_with(self, s.fake, caches[c].id, caches[c].relation);
            ASSERT_VALUE(self, made[c], KEYS("a"), NULL);
        }
        sv_send_messages(s.other, &cases[i].message, 1);
        accept_all(self);
        for (uint32_t c = 0; c < CACHES; c++) {
            cr_assert_eq(state_of(made[c]).negative, cases[i].dies[c] ? 0 : 1,
                         "message %u, cache %u", i, caches[c].id);
        }
        sv_backend_detach(self);
        tear_down(&s);
    }
}

static int count_calls(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    (void)self;
    (void)message;
    (*(uint32_t *)argument)++;
    return 0;
}

static struct sv_backend *join_database(struct sv_segment *segment, uint32_t database)
{
    struct sv_backend *self = NULL;
    const struct sv_backend_options options = {.database = database};
    cr_assert_eq(sv_backend_attach(segment, &options, &self), 0);
    return self;
}

/*
 * Claim:   a backend is reached by the messages of its own database and of none, also one of no
 *          database: by no other's.
 * Method:  a cached row and a callback, in databases 0, 5 and 6; a message of each.
 */
Test(accept_reach_unit, messages_of_other_databases_are_skipped)
{
    static const uint32_t databases[] = {0, 5, 6};
    for (uint32_t i = 0; i < 9; i++) {
        struct scene s = set_up(1, 0);
        const uint32_t own = databases[i / 3];
        struct sv_backend *self = join_database(s.segment, own);
        struct sv_catcache *cache = cache_over(self, s.fake, 1, 0);
        struct sv_message message = about_row(KEYS("a"));
        uint32_t calls = 0;
        message.database = databases[i % 3];
        const uint32_t reached = message.database == 0 || message.database == own ? 1 : 0;
        cr_assert_eq(sv_callback_register(self, SV_MESSAGE_CATCACHE, count_calls, &calls), 0);
        ASSERT_VALUE(self, cache, KEYS("a"), NULL);
        sv_send_messages(s.other, &message, 1);
        accept_all(self);
        cr_assert_eq(state_of(cache).negative, 1 - reached, "database %u, message of %u", own,
                     message.database);
        cr_assert_eq(calls, reached, "database %u, message of %u", own, message.database);
        sv_backend_detach(self);
        tear_down(&s);
    }
}

/*
 * Claim:   what sv_source_write writes is told to every database: a source's rows are everybody's.
 * Method:  a writer of database 5, readers of 0, 5 and 6 that have the row cached.
 */
Test(accept_reach_unit, a_written_row_is_told_to_every_database)
{
    static const uint32_t databases[] = {0, 5, 6};
    for (uint32_t i = 0; i < 3; i++) {
        struct scene s = set_up(1, 0);
        struct sv_backend *writer = join_database(s.segment, 5);
        struct sv_backend *reader = join_database(s.segment, databases[i]);
        struct fake *reads = fake_open(s.store);
        struct sv_catcache *cache = cache_over(reader, reads, 1, 0);
        store_set(s.store, RELATION, KEYS("a"), "old");
        ASSERT_VALUE(reader, cache, KEYS("a"), "old");
        cr_assert_eq(sv_transaction_begin(writer, NULL), 0);
        cr_assert_eq(write_row(writer, s.fake, KEYS("a"), "new"), 0);
        cr_assert_eq(sv_transaction_commit(writer), 0);
        accept_all(reader);
        ASSERT_VALUE(reader, cache, KEYS("a"), "new");
        sv_backend_detach(writer);
        sv_backend_detach(reader);
        free(reads);
        tear_down(&s);
    }
}

/*
 * Claim:   one accept reads all that was published before it, also a full ring (A1).
 * Method:  rings of several sizes filled to the brim, nobody reset; the last message is about a
 *          cached row.
 */
Test(accept_reach_unit, one_accept_reads_a_full_ring)
{
    static const uint32_t capacities[] = {4, 64, 128, 256, 4096};
    for (uint32_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
        struct sv_segment *segment =
            world((struct sv_config){.backends_max = 4, .capacity = capacities[i]});
        struct sv_backend *self = join(segment);
        struct sv_backend *other = join(segment);
        struct fake_store *store = store_new();
        struct fake *fake = fake_open(store);
        struct sv_catcache *cache = cache_over(self, fake, 1, 0);
        ASSERT_VALUE(self, cache, KEYS("a"), NULL);
        for (uint32_t n = 0; n < capacities[i] - 1; n++) {
            insert_numbered(other, n, 1);
        }
        commit_elsewhere(other, store, KEYS("a"), "new");
        accept_all(self);
        ASSERT_VALUE(self, cache, KEYS("a"), "new");
        cr_assert_eq(counted(segment, SV_STAT_resets_taken), 0, "a ring of %u", capacities[i]);
        sv_backend_detach(self);
        sv_backend_detach(other);
        sv_segment_detach(segment);
        free(fake);
        free(store);
    }
}

/*
 * Claim:   with discard_caches an accept discards everything inside a transaction, too.
 * Method:  outside, in a transaction and in a level of it: search, accept, search are two reads.
 */
Test(accept_reach_unit, discard_caches_discards_inside_a_transaction)
{
    struct scene s = set_up(1, 0);
    struct sv_backend *self = NULL;
    const struct sv_backend_options options = {.discard_caches = true};
    cr_assert_eq(sv_backend_attach(s.segment, &options, &self), 0);
    struct sv_catcache *cache = cache_over(self, s.fake, 1, 0);
    for (uint32_t level = 0; level <= 2; level++) {
        const int result = level == 0   ? 0
                           : level == 1 ? sv_transaction_begin(self, NULL)
                                        : sv_subtransaction_begin(self);
        cr_assert_eq(result, 0);
        ASSERT_VALUE(self, cache, KEYS("a"), NULL);
        const uint32_t reads = s.fake->reads;
        accept_all(self);
        ASSERT_VALUE(self, cache, KEYS("a"), NULL);
        cr_assert_eq(s.fake->reads, reads + 1, "at level %u", level);
    }
    sv_transaction_rollback(self);
    sv_backend_detach(self);
    tear_down(&s);
}

/*
 * Claim:   the parent's current command ends with all that it wrote before its child was rolled
 *          back.
 * Method:  the parent writes, does not end its command, opens and rolls back a child that writes;
 *          both rows were cached before.
 */
Test(accept_reach_unit, a_parents_open_command_survives_the_rollback_of_a_child)
{
    struct scene s = set_up(1, 0);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    ASSERT_VALUE(s.reader, s.cache, KEYS("b"), NULL);
    cr_assert_eq(sv_transaction_begin(s.reader, NULL), 0);
    cr_assert_eq(write_row(s.reader, s.fake, KEYS("a"), "1"), 0);
    cr_assert_eq(sv_subtransaction_begin(s.reader), 0);
    cr_assert_eq(write_row(s.reader, s.fake, KEYS("b"), "2"), 0);
    sv_subtransaction_rollback(s.reader);
    cr_assert_eq(sv_command_end(s.reader), 0);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "1");
    ASSERT_VALUE(s.reader, s.cache, KEYS("b"), NULL);
    cr_assert_eq(sv_transaction_commit(s.reader), 0);
    tear_down(&s);
}
