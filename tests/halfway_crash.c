/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What others may see of a commit whose backend has died half way, and for how long: each sentence
 * of transaction.h, H1 to H5, over the table in the segment.
 */
#include "injector_support.h"
#include "source_support.h"

TestSuite(halfway_crash, .timeout = 60);

enum { ROWS = 6, CACHE = RELATION, SECOND_CACHE = RELATION + 1 };

static const struct sv_config halfway_world = {.backends_max = 16,
                                               .capacity = 256,
                                               .table_rows_max = 64,
                                               .table_writes_max = 16,
                                               .table_value_max = 16};
static const char *const names[ROWS] = {"a", "b", "c", "d", "e", "f"};

/* A reader: two caches of the same rows. */
struct reader {
    struct seat seat;
    struct sv_catcache *cache;
    struct sv_catcache *second;
};

static struct sv_catcache *make_cache(const struct seat *seat, uint32_t id, uint32_t entries_max)
{
    struct sv_catcache *cache = NULL;
    const struct sv_catcache_options options = {.cache = id,
                                                .relation = RELATION,
                                                .key_count = 1,
                                                .entries_max = entries_max,
                                                .source = seat->source};
    cr_assert_eq(sv_catcache_create(seat->self, &options, &cache), 0);
    return cache;
}

static struct reader reader_join(struct sv_segment *segment, uint32_t entries_max)
{
    struct reader reader = {.seat.self = join(segment)};
    cr_assert_eq(sv_table_open(reader.seat.self, &reader.seat.source), 0);
    reader.cache = make_cache(&reader.seat, CACHE, entries_max);
    reader.second = make_cache(&reader.seat, SECOND_CACHE, entries_max);
    return reader;
}

static void reader_leave(const struct reader *reader)
{
    sv_backend_detach(reader->seat.self);
    reader->seat.source->close(reader->seat.source);
}

/* The version in which a cache shows a row; 0: there is none. */
static uint64_t version_in(const struct reader *reader, struct sv_catcache *cache, uint32_t row)
{
    struct sv_cache_entry *entry = NULL;
    const struct sv_keys keys = keys_of(names[row], NULL);
    const int result = sv_cache_search(reader->seat.self, cache, &keys, &entry);
    cr_assert(result == 0 || result == SV_NOT_FOUND, "sv_cache_search gives %d", result);
    if (result == SV_NOT_FOUND) {
        return 0;
    }
    const uint64_t version = sv_cache_tuple(entry)->version;
    sv_cache_release(reader->seat.self, entry);
    return version;
}

/* The sum of the versions in the list of one row, through a cache: 0 if the row is not there. */
static uint64_t version_in_list(const struct reader *reader, struct sv_catcache *cache,
                                uint32_t row)
{
    struct sv_cache_list *list = NULL;
    const struct sv_keys keys = keys_of(names[row], NULL);
    cr_assert_eq(sv_cache_search_list(reader->seat.self, cache, &keys, &list), 0);
    const uint32_t count = sv_cache_list_count(list);
    cr_assert_leq(count, 1);
    const uint64_t version = count == 1 ? sv_cache_list_tuple(list, 0)->version : 0;
    sv_cache_list_release(reader->seat.self, list);
    return version;
}

static uint64_t version_in_source(const struct reader *reader, uint32_t row)
{
    struct seen seen = {0};
    const int result = read_row(&reader->seat, RELATION, keys_of(names[row], NULL), &seen);
    cr_assert(result == 0 || result == SV_NOT_FOUND);
    return result == 0 ? seen.version : 0;
}

static void accept_messages(const struct reader *reader)
{
    cr_assert_eq(sv_accept_messages(reader->seat.self), 0);
}

/* ---- the death ------------------------------------------------------------------------------- */

/* The child: one transaction writes the first rows of `names`, and dies where the plan says. */
static int write_and_die(struct sv_segment *segment, void *argument)
{
    struct run *run = argument;
    struct seat seat = {0};
    const struct sv_tuple tuple = {.data = "new", .size_bytes = 3};
    if (sv_backend_attach(segment, NULL, &seat.self) != 0 ||
        sv_table_open(seat.self, &seat.source) != 0 || sv_transaction_begin(seat.self, NULL) != 0) {
        return 2;
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct sv_keys keys = keys_of(names[i], NULL);
        if (sv_source_write(seat.self, seat.source, RELATION, &keys, &tuple) != 0) {
            return 3;
        }
    }
    injector_enter(&run->context, &run->injector, 0);
    return sv_transaction_commit(seat.self) == 0 ? 4 : 5;
}

static void die_at(struct sv_segment *segment, const char *point)
{
    struct run run;
    char faults[128];
    (void)snprintf(faults, sizeof(faults), "- {backend: 0, point: %s, hit: 1, action: kill}\n",
                   point);
    run_start(&run, 1, faults);
    const int status = reap(fork_child(write_and_die, segment, &run));
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: status %x", point, status);
    cr_assert_eq(munmap(run.injector.shared, injector_shared_bytes(BACKENDS)), 0);
}

/* Every row committed, and told also to who does it. Returns: the version. */
static uint64_t write_all(const struct reader *writer)
{
    begin(&writer->seat);
    for (uint32_t i = 0; i < ROWS; i++) {
        put(&writer->seat, keys_of(names[i], NULL), "old");
    }
    const uint64_t version = commit(&writer->seat);
    accept_messages(writer);
    return version;
}

static uint64_t misses(const struct sv_segment *segment)
{
    return counted(segment, SV_STAT_cache_misses);
}

/* ---- H1, H2, H4 ------------------------------------------------------------------------------ */

/* Where somebody dies in the commit: does it count then, and is the table's lock held? */
struct death {
    const char *point;
    bool committed;
    bool locked;
};

/* Rows and lists of one cache, and what the source says. */
static void expect_cached(const struct reader *reader, uint64_t version, const char *point)
{
    for (uint32_t row = 0; row < ROWS; row++) {
        cr_assert_eq(version_in(reader, reader->cache, row), version, "%s: row %u", point, row);
        cr_assert_eq(version_in_list(reader, reader->cache, row), version, "%s: %u", point, row);
    }
}

static void expect_read(const struct reader *reader, uint64_t version, const char *point)
{
    for (uint32_t row = 0; row < ROWS; row++) {
        cr_assert_eq(version_in(reader, reader->cache, row), version, "%s: row %u", point, row);
        cr_assert_eq(version_in_source(reader, row), version, "%s: row %u", point, row);
    }
}

static void die_and_look(const struct death *death, bool absent)
{
    struct sv_segment *segment = world(halfway_world);
    const struct reader has = reader_join(segment, 0);
    const struct reader has_not = reader_join(segment, 0);
    const uint64_t old = absent ? 0 : write_all(&has_not);
    const uint64_t new = death->committed ? old + 1 : old;
    accept_messages(&has);
    expect_cached(&has, old, "before");
    die_at(segment, death->point);
    accept_messages(&has);
    accept_messages(&has_not);
    const uint64_t loads = misses(segment);
    expect_cached(&has, old, death->point);
    cr_assert_eq(misses(segment), loads, "%s: a hit went to the source", death->point);
    cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_TABLE, NULL) != SV_SLOT_NONE, death->locked,
                 "%s: a hit took the lock over", death->point);
    expect_read(&has_not, new, death->point);
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 0, "it is over already");
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    accept_messages(&has);
    accept_messages(&has_not);
    expect_cached(&has, new, death->point);
    expect_read(&has_not, new, death->point);
    reader_leave(&has);
    reader_leave(&has_not);
    sv_segment_detach(segment);
}

/*
 * Claim:   H1: what was cached before the death stays as it was, rows, absences and lists, and no
 *          hit waits, also where the dead left the table's lock held. H2: who misses sees all of
 *          the change or nothing of it. H4: after the settling and an accept, everybody sees in
 *          every way what the source says.
 * Method:  a reader that has cached everything, one that has cached nothing; the committer dies
 *          before, at and after the store that makes its commit count, and between source and
 *          messages. The hits come first: then the lock still names the dead.
 */
Test(halfway_crash, what_is_cached_stays_and_what_is_read_is_all_or_nothing)
{
    static const struct death deaths[] = {
        {"intent/declare/after", false, false}, {"table/commit/recorded", false, true},
        {"table/commit/counted", true, true},   {"table/apply/row", true, true},
        {"table/apply/after", true, true},      {"commit/source/after", true, false},
        {"queue/publish/before", true, false},
    };
    for (size_t i = 0; i < sizeof(deaths) / sizeof(*deaths); i++) {
        die_and_look(&deaths[i], false);
        die_and_look(&deaths[i], true);
    }
}

/* ---- H3 -------------------------------------------------------------------------------------- */

/*
 * Claim:   H3, what may be seen: by one backend, the one row new and then the other old; and the
 *          same row new in a list, in another cache and from the source, and then old. Accepting
 *          does not help; settling does.
 * Method:  a reader with one row in one cache; all of it happens, so the header may not say less.
 */
Test(halfway_crash, before_and_after_may_be_seen_side_by_side)
{
    struct sv_segment *segment = world(halfway_world);
    const struct reader reader = reader_join(segment, 0);
    const uint64_t old = write_all(&reader);
    cr_assert_eq(version_in(&reader, reader.cache, 0), old);
    die_at(segment, "commit/source/after");
    accept_messages(&reader);
    cr_assert_eq(version_in(&reader, reader.cache, 1), old + 1, "it missed: new");
    accept_messages(&reader);
    cr_assert_eq(version_in(&reader, reader.cache, 0), old, "it hit: old, after new");
    cr_assert_eq(version_in_list(&reader, reader.cache, 0), old + 1);
    cr_assert_eq(version_in(&reader, reader.second, 0), old + 1);
    cr_assert_eq(version_in_source(&reader, 0), old + 1);
    accept_messages(&reader);
    cr_assert_eq(version_in(&reader, reader.cache, 0), old, "the same row, old after new");
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    accept_messages(&reader);
    cr_assert_eq(version_in(&reader, reader.cache, 0), old + 1);
    reader_leave(&reader);
    sv_segment_detach(segment);
}

/*
 * Claim:   H3, what may not: a row in one cache never goes back, and what the source says never
 *          does, whoever dies and settles in between.
 * Method:  60 deaths in a row, the next one before or after the last one is settled; a reader whose
 *          caches are too small for all rows searches at random, and reads. Old after new, in two
 *          ways, must have been met.
 */
Test(halfway_crash, a_row_in_one_cache_never_goes_back)
{
    struct sv_segment *segment = world(halfway_world);
    const struct reader reader = reader_join(segment, 4);
    struct random random = random_branch(1, 0, RANDOM_TEST);
    uint64_t seen[3][ROWS] = {{0}};
    uint64_t newest = 0;
    uint32_t old_after_new = 0;
    for (uint32_t death = 0; death < 60; death++) {
        die_at(segment, "commit/source/after");
        for (uint32_t i = 0; i < 40; i++) {
            const uint32_t way = random_below(&random, 3);
            const uint32_t row = random_below(&random, ROWS);
            const uint64_t version =
                way == 2 ? version_in_source(&reader, row)
                         : version_in(&reader, way == 0 ? reader.cache : reader.second, row);
            cr_assert_geq(version, seen[way][row], "death %u: row %u went back", death, row);
            cr_assert(way != 2 || version == death + 1, "the source is behind");
            seen[way][row] = version;
            old_after_new += version < newest;
            newest = version > newest ? version : newest;
            if (random_below(&random, 60) == 0) {
                (void)sv_backend_settle_dead(segment);
                accept_messages(&reader);
            }
        }
    }
    cr_assert_gt(old_after_new, 100, "the danger was never there");
    reader_leave(&reader);
    sv_segment_detach(segment);
}

/* ---- H5 -------------------------------------------------------------------------------------- */

static void let_pass(uint64_t ns)
{
    struct sv_atomic32 nobody = {0};
    const uint64_t end_ns = sv_os_now_ns() + ns;
    for (uint64_t now_ns; (now_ns = sv_os_now_ns()) < end_ns;) {
        (void)sv_os_wait(&nobody, 0, end_ns - now_ns);
    }
}

static void by_begin(struct sv_segment *segment, struct sv_backend *self)
{
    (void)segment;
    let_pass(UINT64_C(100000000));
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
    sv_transaction_rollback(self);
}

static void by_accept(struct sv_segment *segment, struct sv_backend *self)
{
    (void)segment;
    let_pass(UINT64_C(100000000));
    for (uint32_t i = 0; i < 128; i++) {
        cr_assert_eq(sv_accept_messages(self), 0);
    }
}

static void by_wait(struct sv_segment *segment, struct sv_backend *self)
{
    (void)segment;
    struct sv_latch_wait wait = {.timeout_ms = 150};
    sv_latch_reset(self);
    cr_assert_eq(sv_latch_wait(self, &wait), 0);
}

static void by_attach(struct sv_segment *segment, struct sv_backend *self)
{
    (void)self;
    sv_backend_detach(join(segment));
}

/*
 * Claim:   H5: one begin, 100 ms after the death, is enough; or 128 accepts then; or one wait; or
 *          one attach at once; by whomever, whatever it did before, wherever the dead one's slot
 *          is.
 * Method:  who dies has the last of a dozen slots; the helper has just looked at all of them, found
 *          nobody dead, and does each of the four. Whoever had a row cached accepts once and sees
 *          the change.
 */
Test(halfway_crash, it_ends_by_whatever_anybody_does)
{
    static void (*const ways[])(struct sv_segment *, struct sv_backend *) = {by_begin, by_accept,
                                                                             by_wait, by_attach};
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        struct sv_segment *segment = world(halfway_world);
        struct sv_backend *crowd[9];
        const struct reader reader = reader_join(segment, 0);
        struct sv_backend *helper = join(segment);
        for (uint32_t j = 0; j < 9; j++) {
            crowd[j] = join(segment);
        }
        const uint64_t old = write_all(&reader);
        cr_assert_eq(version_in(&reader, reader.cache, 0), old);
        cr_assert_eq(sv_transaction_begin(helper, NULL), 0);
        sv_transaction_rollback(helper);
        die_at(segment, "commit/source/after");
        ways[i](segment, helper);
        cr_assert_eq(counted(segment, SV_STAT_slots_settled), 1, "way %zu does not end it", i);
        accept_messages(&reader);
        cr_assert_eq(version_in(&reader, reader.cache, 0), old + 1, "way %zu", i);
        for (uint32_t j = 0; j < 9; j++) {
            sv_backend_detach(crowd[j]);
        }
        sv_backend_detach(helper);
        reader_leave(&reader);
        sv_segment_detach(segment);
    }
}

/*
 * Claim:   H5: a begin that ends it sees the change itself: what it does then is not built on what
 *          was before.
 * Method:  the only survivor has the rows cached; 100 ms after the death it begins, and searches.
 */
Test(halfway_crash, who_ends_it_reads_what_is_new)
{
    struct sv_segment *segment = world(halfway_world);
    const struct reader reader = reader_join(segment, 0);
    const uint64_t old = write_all(&reader);
    cr_assert_eq(version_in(&reader, reader.cache, 0), old);
    die_at(segment, "commit/source/after");
    let_pass(UINT64_C(100000000));
    begin(&reader.seat);
    cr_assert_eq(version_in(&reader, reader.cache, 0), old + 1);
    sv_transaction_rollback(reader.seat.self);
    reader_leave(&reader);
    sv_segment_detach(segment);
}
