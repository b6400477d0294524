/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * More of the contract of sources (source_support.h): what both that come with the library do about
 * rows with fewer keys than a list asks for, about versions inside of levels, and about more levels,
 * rows and bytes than are usual.
 */
#include "source_support.h"
#include "sqlite_support.h"

TestSuite(source_rows_unit, .timeout = 60);

/* Of the table; SQLite has no such bounds. */
static const struct sv_config small_rows = {.table_rows_max = 16, .table_value_max = 24};
static const struct sv_config many_rows = {
    .table_rows_max = 400, .table_writes_max = 400, .table_value_max = 24};
static const struct sv_config large_rows = {
    .table_rows_max = 4, .table_writes_max = 4, .table_value_max = 65536};

static struct seats seats_take(struct sv_config config,
                               int (*open)(struct sv_backend *self, struct sv_source **source))
{
    config.backends_max = 4;
    config.capacity = 64;
    struct seats seats = {.segment = world(config)};
    make_directory();
    seats.mine.self = join(seats.segment);
    seats.other.self = join(seats.segment);
    cr_assert_eq(open(seats.mine.self, &seats.mine.source), 0);
    cr_assert_eq(open(seats.other.self, &seats.other.source), 0);
    return seats;
}

static void seats_leave(struct seats *seats)
{
    sv_backend_detach(seats->mine.self);
    sv_backend_detach(seats->other.self);
    seats->mine.source->close(seats->mine.source);
    seats->other.source->close(seats->other.source);
    sv_segment_detach(seats->segment);
    remove_directory();
}

/* "abc" and count - 1 empty keys. */
static struct sv_keys abc_and_empty_ones(uint32_t count)
{
    return (struct sv_keys){.count = count, .key = {{"abc", 3}, {"", 0}, {"", 0}, {"", 0}}};
}

/* The list of n keys has the rows of n keys and more: committed ones, and those of one's own. */
static void check_short_rows(const struct seat *mine, const struct seat *other)
{
    begin(mine);
    for (uint32_t n = 1; n <= SV_KEYS_MAX; n++) {
        put(mine, abc_and_empty_ones(n), "v");
    }
    for (uint32_t n = 1; n <= SV_KEYS_MAX; n++) {
        cr_assert_eq(count_rows(mine, abc_and_empty_ones(n)), SV_KEYS_MAX - n + 1, "%u keys", n);
    }
    (void)commit(mine);
    for (uint32_t n = 1; n <= SV_KEYS_MAX; n++) {
        cr_assert_eq(count_rows(other, abc_and_empty_ones(n)), SV_KEYS_MAX - n + 1, "%u keys", n);
    }
}

/* Two rows at two levels, a row of a level that is rolled back, and one that was there before. */
static void check_versions_in_levels(const struct seat *mine, const struct seat *other)
{
    const uint64_t before = set_row(other, keys_of("old", NULL), "0");
    begin(mine);
    put(mine, keys_of("a", NULL), "1");
    cr_assert_eq(sv_subtransaction_begin(mine->self), 0);
    expect_row(mine, keys_of("a", NULL), "a=1 ", 0);
    put(mine, keys_of("b", NULL), "2");
    expect_row(mine, keys_of("b", NULL), "b=2 ", 0);
    cr_assert_eq(sv_subtransaction_begin(mine->self), 0);
    put(mine, keys_of("old", NULL), "3");
    expect_row(mine, keys_of("old", NULL), "old=3 ", 0);
    sv_subtransaction_rollback(mine->self);
    expect_row(mine, keys_of("old", NULL), "old=0 ", before);
    expect_row(mine, keys_of("b", NULL), "b=2 ", 0);
    cr_assert_eq(sv_subtransaction_release(mine->self), 0);
    expect_row(mine, keys_of("b", NULL), "b=2 ", 0);
    expect_row(other, keys_of("b", NULL), NULL, 0);
    const uint64_t after = commit(mine);
    expect_row(other, keys_of("a", NULL), "a=1 ", after);
    expect_row(other, keys_of("b", NULL), "b=2 ", after);
    expect_row(other, keys_of("old", NULL), "old=0 ", before);
}

/* The first transaction of a fresh source opens a level before it writes. */
static void check_version_of_a_first_write(const struct seat *mine, const struct seat *other)
{
    begin(mine);
    cr_assert_eq(sv_subtransaction_begin(mine->self), 0);
    put(mine, keys_of("a", NULL), "1");
    expect_row(mine, keys_of("a", NULL), "a=1 ", 0);
    expect_row(other, keys_of("a", NULL), NULL, 0);
    sv_transaction_rollback(mine->self);
    expect_row(mine, keys_of("a", NULL), NULL, 0);
}

/* A row of the deepest of so many levels, which is rolled back; its parent writes one, too. */
static void check_deep_levels(const struct seat *mine, const struct seat *other)
{
    enum { DEEPEST = 257 };

    begin(mine);
    while (sv_transaction_level(mine->self) < DEEPEST) {
        cr_assert_eq(sv_subtransaction_begin(mine->self), 0);
    }
    put(mine, keys_of("gone", NULL), "v");
    sv_subtransaction_rollback(mine->self);
    expect_row(mine, keys_of("gone", NULL), NULL, 0);
    put(mine, keys_of("kept", NULL), "v");
    while (sv_transaction_level(mine->self) > 1) {
        cr_assert_eq(sv_subtransaction_release(mine->self), 0);
    }
    expect_row(other, keys_of("kept", NULL), "kept=v ", commit(mine));
    expect_row(other, keys_of("gone", NULL), NULL, 0);
}

/* Lists of 300 rows, by no key and by one: while they are the open transaction's, and committed. */
static void check_long_lists(const struct seat *mine, const struct seat *other)
{
    enum { ROWS = 300 };

    const struct sv_keys prefix = keys_of("x", NULL);
    begin(mine);
    for (int i = 0; i < ROWS; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%d", i);
        put(mine, keys_of("x", text), "v");
    }
    cr_assert_eq(count_rows(mine, every_row), ROWS);
    cr_assert_eq(count_rows(mine, prefix), ROWS);
    (void)commit(mine);
    cr_assert_eq(count_rows(other, every_row), ROWS);
    cr_assert_eq(count_rows(other, prefix), ROWS);
}

/* Bytes that are not the same over and over. */
struct large {
    uint8_t data[100000];
    uint32_t size_bytes;
    uint32_t visits;
};

static bool is_large(const struct large *large, const struct sv_tuple *tuple)
{
    return tuple->size_bytes == large->size_bytes &&
           memcmp(tuple->data, large->data, large->size_bytes) == 0;
}

static int visit_large(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct large *large = argument;
    (void)keys;
    cr_assert(is_large(large, tuple), "%" PRIu32 " bytes", tuple->size_bytes);
    large->visits++;
    return 0;
}

/* A row with a value of so many bytes, as others read it and as a cache of theirs has it. */
static void check_large_value(const struct seat *mine, const struct seat *other,
                              uint32_t size_bytes)
{
    static struct large large;
    const struct sv_keys keys = keys_of("a", NULL);
    const struct sv_tuple tuple = {.data = large.data, .size_bytes = size_bytes};
    struct random random = random_branch(1, 0, RANDOM_TEST);
    large = (struct large){.size_bytes = size_bytes};
    for (uint32_t i = 0; i < size_bytes; i++) {
        large.data[i] = (uint8_t)random_next(&random);
    }
    begin(mine);
    cr_assert_eq(sv_source_write(mine->self, mine->source, RELATION, &keys, &tuple), 0);
    (void)commit(mine);
    struct sv_source *source = other->source;
    cr_assert_eq(source->read(source, other->self, RELATION, &keys, visit_large, &large), 0);
    cr_assert_eq(source->list(source, other->self, RELATION, &keys, visit_large, &large), 0);
    cr_assert_eq(large.visits, 2);

    const struct sv_catcache_options options = {
        .cache = RELATION, .relation = RELATION, .key_count = 1, .source = source};
    struct sv_catcache *cache = NULL;
    struct sv_cache_entry *entry = NULL;
    cr_assert_eq(sv_catcache_create(other->self, &options, &cache), 0);
    cr_assert_eq(sv_cache_search(other->self, cache, &keys, &entry), 0);
    cr_assert(is_large(&large, sv_cache_tuple(entry)), "the cache has %" PRIu32 " bytes",
              sv_cache_tuple(entry)->size_bytes);
    sv_cache_release(other->self, entry);
}

static void check_value_of_65536(const struct seat *mine, const struct seat *other)
{
    check_large_value(mine, other, 65536);
}

static void check_value_of_100000(const struct seat *mine, const struct seat *other)
{
    check_large_value(mine, other, 100000);
}

typedef void (*check_of_rows)(const struct seat *mine, const struct seat *other);

static void check_table(struct sv_config config, check_of_rows check)
{
    struct seats seats = seats_take(config, sv_table_open);
    check(&seats.mine, &seats.other);
    seats_leave(&seats);
}

static void check_sqlite(check_of_rows check)
{
    struct seats seats = seats_take(small_rows, open_file);
    check(&seats.mine, &seats.other);
    seats_leave(&seats);
}

/* Each of both sources, on fresh rows. */
static void check_both(struct sv_config config, check_of_rows check)
{
    check_table(config, check);
    check_sqlite(check);
}

/*
 * Claim:   a list has rows of as many keys as it asks for, or more; a key that a row has not is not
 *          an empty key.
 * Method:  rows of one key and up to three empty ones, and the list of each of them.
 */
Test(source_rows_unit, a_key_that_is_not_there_is_not_an_empty_key)
{
    check_both(small_rows, check_short_rows);
}

/*
 * Claim:   a row that the open transaction wrote has version 0, whatever the level; others have
 *          that of their commit, also where a level that wrote them was rolled back.
 */
Test(source_rows_unit, a_row_of_the_open_transaction_has_no_version_in_any_level)
{
    check_both(small_rows, check_versions_in_levels);
    check_both(small_rows, check_version_of_a_first_write);
}

/*
 * Claim:   what a level wrote goes with it, also after 256 others.
 */
Test(source_rows_unit, a_deep_level_is_rolled_back)
{
    check_both(small_rows, check_deep_levels);
}

/*
 * Claim:   a list has all of its rows, however many.
 */
Test(source_rows_unit, a_long_list_is_complete)
{
    check_both(many_rows, check_long_lists);
}

/*
 * Claim:   a value comes back whole, from the source and from a cache over it: in the table one as
 *          large as a value there may be, in SQLite a larger one.
 */
Test(source_rows_unit, a_large_value_comes_back_whole)
{
    check_table(large_rows, check_value_of_65536);
    check_sqlite(check_value_of_65536);
    check_sqlite(check_value_of_100000);
}
