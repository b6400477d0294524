/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * More of the contract of sources (source_support.h): what both that come with the library do about
 * rows with fewer keys than a list asks for, and about versions inside of levels.
 */
#include "source_support.h"
#include "sqlite_support.h"

TestSuite(source_rows_unit, .timeout = 60);

static struct seats seats_take(int (*open)(struct sv_backend *self, struct sv_source **source))
{
    struct seats seats = {
        .segment = world((struct sv_config){
            .backends_max = 4, .capacity = 64, .table_rows_max = 16, .table_value_max = 24})};
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

/* Each of both sources, on fresh rows. */
static void check_both(void (*check)(const struct seat *mine, const struct seat *other))
{
    struct seats seats = seats_take(sv_table_open);
    check(&seats.mine, &seats.other);
    seats_leave(&seats);
    seats = seats_take(open_file);
    check(&seats.mine, &seats.other);
    seats_leave(&seats);
}

/*
 * Claim:   a list has rows of as many keys as it asks for, or more; a key that a row has not is not
 *          an empty key.
 * Method:  rows of one key and up to three empty ones, and the list of each of them.
 */
Test(source_rows_unit, a_key_that_is_not_there_is_not_an_empty_key)
{
    check_both(check_short_rows);
}

/*
 * Claim:   a row that the open transaction wrote has version 0, whatever the level; others have
 *          that of their commit, also where a level that wrote them was rolled back.
 */
Test(source_rows_unit, a_row_of_the_open_transaction_has_no_version_in_any_level)
{
    check_both(check_versions_in_levels);
    check_both(check_version_of_a_first_write);
}
