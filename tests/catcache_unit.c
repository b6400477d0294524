/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Catcache: what is found is what a read would give, after any accept. Loads that are overtaken:
 * catload_unit.c; lists: catlist_unit.c.
 */
#include "cache_scene.h"

TestSuite(catcache_unit, .timeout = 30);

/*
 * Claim:   a row is read once and then found; so is its absence.
 * Method:  search twice each, and count the reads of the source.
 */
Test(catcache_unit, a_row_and_an_absence_are_read_once)
{
    struct scene s = set_up(1, 0);
    store_set(s.store, RELATION, KEYS("a"), "1");
    for (int i = 0; i < 3; i++) {
        ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "1");
        ASSERT_VALUE(s.reader, s.cache, KEYS("b"), NULL);
    }
    cr_assert_eq(s.fake->reads, 2);
    cr_assert_eq(counted(s.segment, SV_STAT_cache_misses), 2);
    cr_assert_eq(counted(s.segment, SV_STAT_cache_hits), 4);
    const struct sv_catcache_state state = state_of(s.cache);
    cr_assert(state.positive == 1 && state.negative == 1 && state.pins == 0);
    tear_down(&s);
}

/*
 * Claim:   an insert kills the negative entry of its keys (C14: the mutant that invalidates only
 *          what is there).
 * Method:  search an absent row, insert it elsewhere, accept, search.
 */
Test(catcache_unit, an_insert_kills_a_negative_entry)
{
    struct scene s = set_up(1, 0);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    commit_elsewhere(s.other, s.store, KEYS("a"), "1");
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    accept_all(s.reader);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "1");
    commit_elsewhere(s.other, s.store, KEYS("a"), NULL);
    accept_all(s.reader);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    tear_down(&s);
}

/*
 * Claim:   an entry that is invalidated while pinned is dead, is found by nobody, keeps its tuple,
 *          and goes with its last release (C6, P6).
 * Method:  two pins, an update, then both releases.
 */
Test(catcache_unit, a_pinned_entry_dies_and_stays_readable)
{
    struct scene s = set_up(1, 0);
    struct sv_cache_entry *first = NULL;
    struct sv_cache_entry *second = NULL;
    const struct sv_keys a = KEYS("a");
    store_set(s.store, RELATION, a, "old");
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &a, &first), 0);
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &a, &second), 0);
    cr_assert_eq(first, second);
    cr_assert_not(sv_cache_entry_dead(first));
    commit_elsewhere(s.other, s.store, a, "new");
    accept_all(s.reader);
    cr_assert(sv_cache_entry_dead(first));
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), "new");
    cr_assert_arr_eq(sv_cache_tuple(first)->data, "old", 3);
    cr_assert_eq(state_of(s.cache).dead, 1);
    sv_cache_release(s.reader, first);
    cr_assert_eq(state_of(s.cache).dead, 1);
    sv_cache_release(s.reader, second);
    cr_assert_eq(state_of(s.cache).dead, 0);
    cr_assert_eq(state_of(s.cache).pins, 0);
    tear_down(&s);
}

/*
 * Claim:   a thousand entries are all found, and each is killed by its own message alone.
 * Method:  1,000 rows; each in turn updated elsewhere; reads are counted.
 */
Test(catcache_unit, a_thousand_entries_are_found_and_killed_one_by_one)
{
    struct scene s = set_up(2, 0);
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        store_set(s.store, RELATION, KEYS("x", key), key);
        ASSERT_VALUE(s.reader, s.cache, KEYS("x", key), key);
    }
    cr_assert_eq(state_of(s.cache).positive, 1000);
    cr_assert_geq(state_of(s.cache).buckets * 2, 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        ASSERT_VALUE(s.reader, s.cache, KEYS("x", key), key);
    }
    cr_assert_eq(s.fake->reads, 1000, "some were lost as it grew");
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        commit_elsewhere(s.other, s.store, KEYS("x", key), "new");
        accept_all(s.reader);
        ASSERT_VALUE(s.reader, s.cache, KEYS("x", key), "new");
        cr_assert_eq(s.fake->reads, 1001 + (uint32_t)i);
    }
    tear_down(&s);
}

/*
 * Claim:   with a limit the least recently used unpinned entries go, negative ones too (C15), and
 *          never a pinned one.
 * Method:  a limit of 4; who was evicted shows in the reads.
 */
Test(catcache_unit, a_limit_evicts_the_least_recently_used)
{
    struct scene s = set_up(1, 4);
    struct sv_cache_entry *pinned = NULL;
    const struct sv_keys first = KEYS("pinned");
    store_set(s.store, RELATION, first, "p");
    cr_assert_eq(sv_cache_search(s.reader, s.cache, &first, &pinned), 0);
    const char *const keys[] = {"a", "b", "c", "a", "d"}; /* b is the oldest when d comes */
    for (size_t i = 0; i < 5; i++) {
        ASSERT_VALUE(s.reader, s.cache, KEYS(keys[i]), NULL);
    }
    cr_assert_eq(s.fake->reads, 5);
    ASSERT_VALUE(s.reader, s.cache, KEYS("a"), NULL);
    ASSERT_VALUE(s.reader, s.cache, KEYS("c"), NULL);
    ASSERT_VALUE(s.reader, s.cache, KEYS("d"), NULL);
    ASSERT_VALUE(s.reader, s.cache, KEYS("pinned"), "p");
    cr_assert_eq(s.fake->reads, 5, "one that was used is gone");
    ASSERT_VALUE(s.reader, s.cache, KEYS("b"), NULL);
    cr_assert_eq(s.fake->reads, 6, "the oldest is still there");
    const struct sv_catcache_state state = state_of(s.cache);
    cr_assert_eq(state.positive + state.negative, 4);
    cr_assert_not(sv_cache_entry_dead(pinned));
    sv_cache_release(s.reader, pinned);
    tear_down(&s);
}

/*
 * Claim:   more pinned entries than the limit are all there, and the surplus goes as it is
 *          released.
 * Method:  a limit of 2, five pins.
 */
Test(catcache_unit, pins_may_exceed_the_limit)
{
    struct scene s = set_up(1, 2);
    struct sv_cache_entry *entries[5];
    const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        const struct sv_keys keys = KEYS(names[i]);
        store_set(s.store, RELATION, keys, names[i]);
        cr_assert_eq(sv_cache_search(s.reader, s.cache, &keys, &entries[i]), 0);
    }
    cr_assert_eq(state_of(s.cache).positive, 5);
    for (int i = 0; i < 5; i++) {
        cr_assert_arr_eq(sv_cache_tuple(entries[i])->data, names[i], 1);
        sv_cache_release(s.reader, entries[i]);
    }
    cr_assert_eq(state_of(s.cache).positive, 2);
    cr_assert_eq(state_of(s.cache).dead, 0);
    tear_down(&s);
}

/*
 * Claim:   messages of another database, another cache or another relation kill nothing; those of
 *          this database or of none, and catalog messages of the relation, do.
 * Method:  each sent alone; the entry is there or not.
 */
Test(catcache_unit, only_what_is_named_is_killed)
{
    struct scene s = set_up(1, 0);
    struct sv_backend *third = NULL;
    const struct sv_backend_options in_database = {.database = 5};
    cr_assert_eq(sv_backend_attach(s.segment, &in_database, &third), 0);
    struct fake *fake = fake_open(s.store);
    struct sv_catcache *cache = cache_over(third, fake, 1, 0);
    const uint32_t hash = about_row(KEYS("a")).catcache.hash;

    const struct {
        struct sv_message message;
        bool kills;
    } cases[] = {
        {{.kind = SV_MESSAGE_CATCACHE, .database = 6, .catcache = {RELATION, hash}}, false},
        {{.kind = SV_MESSAGE_CATCACHE, .database = 5, .catcache = {RELATION + 64, hash}}, false},
        {{.kind = SV_MESSAGE_CATCACHE, .database = 5, .catcache = {RELATION, hash + 1}}, false},
        {{.kind = SV_MESSAGE_CATALOG, .database = 5, .relation = {.relation = 8}}, false},
        {{.kind = SV_MESSAGE_CATALOG, .database = 6, .relation = {.relation = RELATION}}, false},
        {{.kind = SV_MESSAGE_APPLICATION, .payload = RELATION}, false},
        {{.kind = SV_MESSAGE_CATCACHE, .database = 5, .catcache = {RELATION, hash}}, true},
        {{.kind = SV_MESSAGE_CATCACHE, .database = 0, .catcache = {RELATION, hash}}, true},
        {{.kind = SV_MESSAGE_CATALOG, .database = 5, .relation = {.relation = RELATION}}, true},
        {{.kind = SV_MESSAGE_CATALOG, .database = 0, .relation = {.relation = RELATION}}, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ASSERT_VALUE(third, cache, KEYS("a"), NULL);
        cr_assert_eq(state_of(cache).negative, 1);
        sv_send_messages(s.other, &cases[i].message, 1);
        accept_all(third);
        cr_assert_eq(state_of(cache).negative, cases[i].kills ? 0 : 1, "case %zu", i);
    }
    sv_backend_detach(third);
    free(fake);
    tear_down(&s);
}

/*
 * Claim:   bad options are refused, and an id is taken once.
 * Method:  each of them.
 */
Test(catcache_unit, options_are_checked)
{
    struct scene s = set_up(1, 0);
    struct sv_catcache *cache = NULL;
    struct sv_catcache_options options = {
        .cache = RELATION, .relation = 9, .key_count = 1, .source = &s.fake->source};
    cr_assert_eq(sv_catcache_create(s.reader, &options, &cache), -EEXIST);
    options.cache = RELATION + 64; /* of the same chain */
    options.key_count = 0;
    cr_assert_eq(sv_catcache_create(s.reader, &options, &cache), -EINVAL);
    options.key_count = SV_KEYS_MAX + 1;
    cr_assert_eq(sv_catcache_create(s.reader, &options, &cache), -EINVAL);
    options.key_count = SV_KEYS_MAX;
    options.source = NULL;
    cr_assert_eq(sv_catcache_create(s.reader, &options, &cache), -EINVAL);
    options.source = &s.fake->source;
    cr_assert_eq(sv_catcache_create(s.reader, &options, &cache), 0);
    tear_down(&s);
}

static const char *const model_keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

/*
 * Claim:   after an accept, a search gives what the store has, whatever was done before in any
 *          order (C1 to C6 of catcache.c).
 * Method:  20,000 random operations of two backends, with a small limit and a small ring so that
 *          evictions and resets happen; loads are overtaken at random. Both must have happened.
 */
Test(catcache_unit, a_search_after_an_accept_is_as_fresh_as_a_read)
{
    struct scene s = set_up(1, 5);
    uint64_t random = 1;
    struct sv_cache_entry *pinned = NULL;
    for (int i = 0; i < 20000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        const char *key = model_keys[random >> 33 & 7];
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        switch (random >> 40 & 15) {
        case 0:
            commit_elsewhere(s.other, s.store, KEYS(key), NULL);
            break;
        case 1:
        case 2:
        case 3:
            commit_elsewhere(s.other, s.store, KEYS(key), value);
            break;
        case 4:
            look_from(&s, update_and_accept, 1 + (int)(random >> 50 & 1));
            break;
        case 5:
            if (pinned != NULL) {
                sv_cache_release(s.reader, pinned);
            }
            cr_assert_geq(
                sv_cache_search(s.reader, s.cache, &(struct sv_keys){1, {{key, 1}}}, &pinned), 0);
            break;
        case 6: /* more than the ring holds */
            for (int k = 0; k < 80 && (random >> 55 & 15) == 0; k++) {
                commit_elsewhere(s.other, s.store, KEYS(key), value);
            }
            break;
        default: {
            char text[FAKE_TEXT_MAX];
            struct fake_row row = {0};
            const struct sv_keys keys = KEYS(key);
            accept_all(s.reader);
            const char *found = value_of(s.reader, s.cache, keys, text);
            /* Compared with now: what overtook the load was accepted in it. */
            const bool exists = fake_select(s.fake, RELATION, &keys, &row) > 0;
            cr_assert_eq(found != NULL, exists, "step %d", i);
            cr_assert(!exists || strcmp(found, row.value) == 0, "step %d: %s, not %s", i, found,
                      row.value);
        }
        }
    }
    if (pinned != NULL) {
        sv_cache_release(s.reader, pinned);
    }
    cr_assert_gt(counted(s.segment, SV_STAT_resets_taken), 10);
    cr_assert_gt(counted(s.segment, SV_STAT_cache_reloads), 10);
    cr_assert_eq(state_of(s.cache).pins, 0);
    cr_assert_eq(state_of(s.cache).dead, 0);
    tear_down(&s);
}
