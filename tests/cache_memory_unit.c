/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out, at every allocation in turn: an error, and all is as before (P7, C7).
 */
#include "cache_scene.h"
#include "failing_malloc.h"
#include "relcache_scene.h"

TestSuite(cache_memory_unit, .timeout = 60);

static void skip_without_sweep(void)
{
    if (!FAILING_MALLOC_WORKS) {
        cr_skip_test("the sanitizer has its own malloc");
    }
}

/*
 * Claim:   a search without memory is -ENOMEM and leaves the cache as it was; it grows or does not.
 * Method:  each allocation of a search fails once, positive and negative, also where the buckets
 *          double.
 */
Test(cache_memory_unit, a_search_without_memory_leaves_the_cache_as_it_was)
{
    skip_without_sweep();
    struct scene s = set_up(1, 0);
    struct sweep sweep;
    char key[16];
    uint32_t failures = 0;
    for (int i = 0; i < 100; i++) {
        struct sv_cache_entry *entry = NULL;
        snprintf(key, sizeof(key), "%d", i);
        const struct sv_keys keys = KEYS(key);
        if (i % 2 == 0) {
            store_set(s.store, RELATION, keys, key);
        }
        for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
            const uint32_t positive = state_of(s.cache).positive;
            const uint32_t negative = state_of(s.cache).negative;
            const int result = sv_cache_search(s.reader, s.cache, &keys, &entry);
            const bool failed = failing_malloc_end(&sweep);
            if (failed && result == -ENOMEM) {
                failures++;
                cr_assert_null(entry);
                cr_assert_eq(state_of(s.cache).positive, positive);
                cr_assert_eq(state_of(s.cache).negative, negative);
                cr_assert_eq(state_of(s.cache).pins, 0);
                continue;
            }
            /* Not to grow is no failure. */
            cr_assert_eq(result, i % 2 == 0 ? 0 : SV_NOT_FOUND, "%d", result);
            if (entry != NULL) {
                sv_cache_release(s.reader, entry);
            }
            const struct sv_message message = about_row(keys);
            if (failed) {
                sv_send_messages(s.other, &message, 1);
                accept_all(s.reader); /* and again, from the beginning */
            }
        }
    }
    cr_assert_geq(failures, 100);
    cr_assert_eq(state_of(s.cache).positive, 50);
    cr_assert_eq(state_of(s.cache).negative, 50);
    tear_down(&s);
}

/*
 * Claim:   the same for lists.
 * Method:  a list of 20 rows, each allocation in turn.
 */
Test(cache_memory_unit, a_list_without_memory_leaves_the_cache_as_it_was)
{
    skip_without_sweep();
    struct scene s = set_up(2, 0);
    struct sweep sweep;
    char key[16];
    const struct sv_keys x = KEYS("x");
    struct sv_cache_list *list = NULL;
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "%d", i);
        store_set(s.store, RELATION, KEYS("x", key), key);
    }
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        const int result = sv_cache_search_list(s.reader, s.cache, &x, &list);
        if (failing_malloc_end(&sweep)) {
            cr_assert_eq(result, -ENOMEM);
            cr_assert_null(list);
            cr_assert_eq(state_of(s.cache).lists + state_of(s.cache).pins, 0);
        } else {
            cr_assert_eq(result, 0);
        }
    }
    cr_assert_gt(sweep.nth, 20);
    cr_assert_eq(sv_cache_list_count(list), 20);
    sv_cache_list_release(s.reader, list);
    tear_down(&s);
}

/* A transaction with enough of everything that it allocates. Returns: 0; -ENOMEM. */
static int run_transaction(struct scene *s, uint64_t base, struct sv_message *in_place)
{
    int result = sv_transaction_begin(s->reader, NULL);
    if (result == 0) {
        result = write_row(s->reader, s->fake, KEYS("a"), "1");
    }
    for (uint32_t i = 0; i < 20 && result == 0; i++) {
        result = sv_subtransaction_begin(s->reader);
        if (result == 0) {
            result = sv_invalidate_application(s->reader, base + i, true);
        }
    }
    if (result == 0) {
        result = sv_invalidate_in_place(s->reader, in_place);
    }
    while (result == 0 && sv_transaction_level(s->reader) > 1) {
        result = sv_subtransaction_release(s->reader);
    }
    if (result != 0) {
        if (sv_transaction_level(s->reader) > 0) {
            sv_transaction_rollback(s->reader);
        }
        return result;
    }
    result = sv_transaction_commit(s->reader);
    cr_assert_eq(result, 0, "commit needs memory: %d", result);
    return 0;
}

/*
 * Claim:   a transaction that runs out of memory can be rolled back; commit, rollback and accept
 *          need none; the source has no row without its message.
 * Method:  each allocation of a transaction of 20 levels in turn; what is in the queue afterwards.
 */
Test(cache_memory_unit, a_transaction_without_memory_rolls_back)
{
    skip_without_sweep();
    struct sweep sweep;
    uint32_t failures = 0;
    for (failing_malloc_begin(&sweep); !sweep.finished;) {
        struct scene s = set_up(1, 0);
        struct sv_message out[64];
        uint32_t count = 0;
        struct sv_message in_place = about_row(KEYS("z"));
        cr_assert(failing_malloc_next(&sweep));
        const int result = run_transaction(&s, 0, &in_place);
        const bool failed = failing_malloc_end(&sweep);
        cr_assert_eq(result, failed ? -ENOMEM : 0);
        failures += failed;
        cr_assert_eq(sv_transaction_level(s.reader), 0);
        cr_assert_eq(s.fake->staged_count, 0);
        cr_assert_eq(sv_queue_read(s.other, out, 64, &count), 0);
        cr_assert(failed ? count <= 1 : count == 22, "%u messages", count);
        cr_assert_eq(s.store->count, failed ? 0 : 1);
        cr_assert_eq(run_transaction(&s, 100, &in_place), 0);
        tear_down(&s);
    }
    cr_assert_geq(failures, 4);
}

static int listen(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    uint32_t *resets = argument;
    (void)self;
    *resets += message == NULL;
    return 0;
}

/*
 * Claim:   accept needs no memory: when there is none to note events, they become a reset.
 * Method:  more messages than the first ring of events, each allocation failing.
 */
Test(cache_memory_unit, accept_without_memory_resets_callbacks)
{
    skip_without_sweep();
    struct scene s = {.segment = world((struct sv_config){.backends_max = 4, .capacity = 1024})};
    s.reader = join(s.segment);
    s.other = join(s.segment);
    struct sweep sweep;
    uint32_t resets = 0;
    cr_assert_eq(sv_callback_register(s.reader, SV_MESSAGE_APPLICATION, listen, &resets), 0);
    insert_numbered(s.other, 0, 500);
    failing_malloc_begin(&sweep);
    cr_assert(failing_malloc_next(&sweep));
    const int result = sv_accept_messages(s.reader);
    cr_assert(failing_malloc_end(&sweep), "it allocated nothing");
    cr_assert_eq(result, 0);
    cr_assert_eq(resets, 1);
    sv_backend_detach(s.reader);
    sv_backend_detach(s.other);
    sv_segment_detach(s.segment);
}

/*
 * Claim:   a relation without memory is not opened, and a rebuild without memory leaves the old
 *          object.
 * Method:  each allocation of both in turn.
 */
Test(cache_memory_unit, a_relation_without_memory_is_as_before)
{
    skip_without_sweep();
    struct relscene *s = relscene_new();
    struct sv_relation *r = NULL;
    struct sweep sweep;
    uint32_t failures = 0;
    for (uint32_t relation = 1; relation <= 40; relation++) {
        for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
            const uint32_t objects = s->live_objects;
            const int result = sv_relation_open(s->reader, s->cache, relation, &r);
            const bool failed = failing_malloc_end(&sweep);
            if (result == -ENOMEM) {
                failures++;
                cr_assert(failed && r == NULL && s->live_objects == objects);
                continue;
            }
            cr_assert_eq(result, 0);
            if (failed) { /* it did not grow */
                sv_relation_close(s->reader, r);
                sweep.finished = true;
                r = opened(s, relation);
            }
        }
        s->held[relation] = r;
    }
    cr_assert_geq(failures, 80);
    for (uint32_t relation = 1; relation <= 40; relation++) {
        alter(s, relation, 2);
        for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
            const int result = sv_accept_messages(s->reader);
            const bool failed = failing_malloc_end(&sweep);
            cr_assert_eq(result, failed ? -ENOMEM : 0);
            cr_assert_eq(number_of(s->held[relation]), failed ? 1 : 2);
        }
        sv_relation_close(s->reader, s->held[relation]);
    }
    relscene_end(s);
}

/*
 * Claim:   attach, and making caches, without memory leave nothing behind.
 * Method:  each allocation in turn; the slots in use.
 */
Test(cache_memory_unit, attach_without_memory_leaves_nothing)
{
    skip_without_sweep();
    struct sv_segment *segment = world(cache_world);
    struct fake_store *store = store_new();
    struct fake *fake = fake_open(store);
    struct sv_backend *self = NULL;
    struct sv_catcache *cache = NULL;
    struct sv_relcache *relcache = NULL;
    struct sweep sweep;
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        const int result = sv_backend_attach(segment, NULL, &self);
        cr_assert_eq(result, failing_malloc_end(&sweep) ? -ENOMEM : 0);
        struct sv_slot_state state;
        sv_slot_look(segment, 0, &state);
        cr_assert_eq(state.in_use, result == 0);
    }
    cr_assert_geq(sweep.nth, 4);
    const struct sv_catcache_options options = {
        .cache = 1, .key_count = 1, .source = &fake->source};
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        const int result = sv_catcache_create(self, &options, &cache);
        cr_assert_eq(result, failing_malloc_end(&sweep) ? -ENOMEM : 0);
    }
    const struct sv_relcache_options build = {.build = build_relation, .destroy = destroy_relation};
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        const int result = sv_relcache_create(self, &build, &relcache);
        cr_assert_eq(result, failing_malloc_end(&sweep) ? -ENOMEM : 0);
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
    free(fake);
    free(store);
}
