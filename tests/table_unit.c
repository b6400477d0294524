/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table as a source: the contract of sources, its limits, and what it does about nonsense in
 * shared memory.
 */
#include "source_support.h"

#include "sync/lwlock.h"

TestSuite(table_unit, .timeout = 60);

enum { ROWS_MAX = 16, WRITES_MAX = 12, VALUE_MAX = 24, STRIDE_MAX = 256 };

static struct seats seats_take(void)
{
    struct seats seats = {.segment = world((struct sv_config){.backends_max = 4,
                                                              .capacity = 64,
                                                              .table_rows_max = ROWS_MAX,
                                                              .table_writes_max = WRITES_MAX,
                                                              .table_value_max = VALUE_MAX})};
    seats.mine.self = join(seats.segment);
    seats.other.self = join(seats.segment);
    cr_assert_eq(sv_table_open(seats.mine.self, &seats.mine.source), 0);
    cr_assert_eq(sv_table_open(seats.other.self, &seats.other.source), 0);
    return seats;
}

static void seats_leave(struct seats *seats)
{
    sv_backend_detach(seats->mine.self);
    sv_backend_detach(seats->other.self);
    seats->mine.source->close(seats->mine.source);
    seats->other.source->close(seats->other.source);
    sv_segment_detach(seats->segment);
}

SOURCE_CONTRACT(table_unit)

static const char *const names[] = {"0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",
                                    "9",  "10", "11", "12", "13", "14", "15", "16", "17",
                                    "18", "19", "20", "21", "22", "23", "24", "25", "26"};

/* Claim: a segment without a table says so. */
Test(table_unit, a_segment_without_a_table_is_refused)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 2, .capacity = 4});
    struct sv_backend *self = join(segment);
    struct sv_source *source = NULL;
    cr_assert_eq(sv_table_open(self, &source), -EINVAL);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   one row more than table_writes_max is SV_FULL, and the transaction goes on with what it
 *          has; a value of table_value_max bytes fits, one more is -EINVAL.
 */
Test(table_unit, limits_of_a_transaction_are_answers)
{
    struct seats seats = seats_take();
    const struct seat *mine = &seats.mine;
    const char *largest = "123456789012345678901234";
    begin(mine);
    for (uint32_t i = 0; i < WRITES_MAX; i++) {
        put(mine, keys_of(names[i], NULL), "first");
    }
    cr_assert_eq(write_row(mine, RELATION, keys_of(names[WRITES_MAX], NULL), "x"), SV_FULL);
    cr_assert_eq(write_row(mine, RELATION, keys_of(names[WRITES_MAX], NULL), NULL), SV_FULL);
    cr_assert_eq(sv_subtransaction_begin(mine->self), 0);
    put(mine, keys_of(names[0], NULL), "second"); /* the same row does not count again */
    cr_assert_eq(write_row(mine, RELATION, keys_of(names[0], NULL), largest), 0);
    cr_assert_eq(write_row(mine, RELATION, keys_of(names[0], NULL), "1234567890123456789012345"),
                 -EINVAL);
    cr_assert_eq(sv_subtransaction_release(mine->self), 0);
    const uint64_t version = commit(mine);
    expect_row(&seats.other, keys_of(names[0], NULL), "0=123456789012345678901234 ", version);
    cr_assert_eq(count_rows(&seats.other, every_row), WRITES_MAX);
    seats_leave(&seats);
}

/* Fill the table with ROWS_MAX rows. */
static void fill(const struct seat *seat)
{
    for (uint32_t i = 0; i < ROWS_MAX; i++) {
        (void)set_row(seat, keys_of(names[i], NULL), "full");
    }
}

/*
 * Claim:   a commit that needs more rows than there are is -ENOSPC, and changes nothing; a full
 *          table can still be updated, emptied, and trade a row for another in one commit.
 */
Test(table_unit, a_full_table_refuses_and_can_trade)
{
    struct seats seats = seats_take();
    const struct seat *mine = &seats.mine;
    fill(mine);
    const uint64_t version = sv_transaction_version(mine->self);
    begin(mine);
    put(mine, keys_of(names[3], NULL), "not to be");
    put(mine, keys_of(names[ROWS_MAX], NULL), "not to be");
    cr_assert_eq(sv_transaction_commit(mine->self), -ENOSPC);
    cr_assert_eq(sv_transaction_level(mine->self), 0);
    cr_assert_eq(count_rows(&seats.other, every_row), ROWS_MAX);
    expect_row(&seats.other, keys_of(names[ROWS_MAX - 1], NULL), "15=full ", version);
    struct seen seen = {0};
    cr_assert_eq(read_row(&seats.other, RELATION, keys_of(names[3], NULL), &seen), 0);
    cr_assert_str_eq(seen.text, "3=full ");

    begin(mine);
    put(mine, keys_of(names[ROWS_MAX], NULL), "new");
    put(mine, keys_of(names[3], NULL), NULL);
    const uint64_t next = commit(mine);
    cr_assert_eq(next, version + 1, "a refused commit took a version");
    expect_row(&seats.other, keys_of(names[ROWS_MAX], NULL), "16=new ", next);
    expect_row(&seats.other, keys_of(names[3], NULL), NULL, 0);
    cr_assert_eq(count_rows(&seats.other, every_row), ROWS_MAX);
    seats_leave(&seats);
}

/*
 * Claim:   deleted rows are used again, for ever, and never lose or double a row.
 * Method:  5000 commits of three random rows out of 27 in a table of 16, against an array.
 */
Test(table_unit, deleted_rows_are_used_again)
{
    enum { KEYS = 27, COMMITS = 5000 };
    struct seats seats = seats_take();
    struct random random = random_branch(2, 0, RANDOM_TEST);
    bool there[KEYS] = {0};
    uint32_t refused = 0;
    for (uint32_t i = 0; i < COMMITS; i++) {
        bool next[KEYS];
        memcpy(next, there, sizeof(next));
        begin(&seats.mine);
        for (uint32_t j = 0; j < 3; j++) {
            const uint32_t key = random_below(&random, KEYS);
            next[key] = random_below(&random, 9) < 5;
            put(&seats.mine, keys_of(names[key], NULL), next[key] ? "v" : NULL);
        }
        uint32_t wanted = 0;
        for (uint32_t key = 0; key < KEYS; key++) {
            wanted += next[key];
        }
        const int result = sv_transaction_commit(seats.mine.self);
        cr_assert_eq(result, wanted > ROWS_MAX ? -ENOSPC : 0, "commit %u of %u rows gives %d", i,
                     wanted, result);
        refused += result != 0;
        memcpy(there, result == 0 ? next : there, sizeof(there));
        uint32_t rows = 0;
        for (uint32_t key = 0; key < KEYS; key++) {
            struct seen seen = {0};
            cr_assert_eq(read_row(&seats.other, RELATION, keys_of(names[key], NULL), &seen),
                         there[key] ? 0 : SV_NOT_FOUND, "commit %u key %u", i, key);
            rows += there[key];
        }
        cr_assert_eq(count_rows(&seats.other, every_row), rows);
    }
    cr_assert_gt(refused, COMMITS / 100, "the table was hardly ever full");
    seats_leave(&seats);
}

/*
 * Claim:   rows that were deleted do not make searches long: one whose successor is empty is
 *          empty again (T4).
 */
Test(table_unit, an_emptied_table_is_empty_again)
{
    struct seats seats = seats_take();
    for (uint32_t i = 0; i < ROWS_MAX - 1; i++) {
        (void)set_row(&seats.mine, keys_of(names[i], NULL), "v");
    }
    for (uint32_t i = 0; i < ROWS_MAX - 1; i++) {
        (void)set_row(&seats.mine, keys_of(names[i], NULL), NULL);
    }
    for (uint32_t i = 0; i < ROWS_MAX; i++) {
        const struct sv_table_row *row =
            (const struct sv_table_row *)(seats.segment->table_rows +
                                          i * sv_table_row_stride(&seats.segment->config));
        cr_assert_eq(sv_load_relaxed32(&row->phase), SV_ROW_EMPTY, "row %u", i);
    }
    seats_leave(&seats);
}

/*
 * Claim:   a transaction that wrote nothing commits without the lock.
 * Method:  somebody else holds it; a commit that wanted it would wait into the timeout.
 */
Test(table_unit, a_commit_of_nothing_takes_no_lock)
{
    struct seats seats = seats_take();
    sv_lwlock_acquire(seats.other.self, SV_LOCK_TABLE, SV_LOCK_EXCLUSIVE);
    begin(&seats.mine);
    cr_assert_eq(sv_transaction_enlist(seats.mine.self, seats.mine.source), 0);
    cr_assert_eq(commit(&seats.mine), 0);
    sv_lwlock_release(seats.other.self, SV_LOCK_TABLE);
    seats_leave(&seats);
}

static int measure(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    uint32_t *visits = argument;
    cr_assert(keys->count <= SV_KEYS_MAX && tuple->size_bytes <= VALUE_MAX);
    (*visits)++;
    return 0;
}

static void overwrite_some(struct random *random, uint8_t *bytes, size_t size_bytes)
{
    const uint32_t words = 1 + random_below(random, 3);
    for (uint32_t i = 0; i < words; i++) {
        const size_t at = sizeof(uint32_t) * random_below(random, (uint32_t)(size_bytes / 4));
        const uint32_t word =
            random_below(random, 2) == 0 ? random_below(random, 4) : (uint32_t)random_next(random);
        memcpy(bytes + at, &word, sizeof(word));
    }
}

/*
 * Claim:   whatever is in the shared rows and the redo record, reads, lists, commits and the
 *          repair end with an answer, touch nothing outside, and show no row longer than it can be.
 * Method:  20000 times some words of the table are overwritten, with anything or with small
 *          numbers, and all of them are called; the memory behind the table stays as it was.
 */
Test(table_unit, nonsense_in_the_segment_is_an_answer)
{
    struct seats seats = seats_take();
    const struct sv_segment *segment = seats.segment;
    const size_t stride = sv_table_row_stride(&segment->config);
    struct random random = random_branch(3, 0, RANDOM_TEST);
    uint32_t corrupt = 0;
    uint32_t visits = 0;
    fill(&seats.mine);
    /* The real thing is at the front of each area; behind it lies what must not change. */
    uint8_t rows[(ROWS_MAX + 1) * STRIDE_MAX];
    uint8_t redo[(WRITES_MAX + 1) * STRIDE_MAX];
    cr_assert_leq(stride, STRIDE_MAX);
    for (uint32_t round = 0; round < 20000; round++) {
        memset(rows, 0xa5, sizeof(rows));
        memset(redo, 0xa5, sizeof(redo));
        memcpy(rows, segment->table_rows, ROWS_MAX * stride);
        memcpy(redo, segment->table_redo, WRITES_MAX * stride);
        struct sv_table table = *segment->table;
        struct sv_segment broken = *segment;
        broken.table = &table;
        broken.table_rows = rows;
        broken.table_redo = redo;
        switch (random_below(&random, 3)) {
        case 0:
            overwrite_some(&random, rows, ROWS_MAX * stride);
            break;
        case 1:
            overwrite_some(&random, redo, WRITES_MAX * stride);
            sv_store_relaxed32(&table.redo_phase, SV_REDO_COUNTS);
            break;
        default:
            overwrite_some(&random, (uint8_t *)&table, sizeof(table));
        }
        struct sv_backend self = *seats.mine.self;
        self.segment = &broken;
        struct seat seat = {.self = &self};
        cr_assert_eq(sv_table_open(&self, &seat.source), 0);
        sv_lock_classes[SV_LOCK_TABLE].repair(&broken);
        const struct sv_keys key = keys_of(names[round % ROWS_MAX], NULL);
        uint64_t version;
        corrupt +=
            seat.source->read(seat.source, &self, RELATION, &key, measure, &visits) == -SV_ECORRUPT;
        corrupt += seat.source->list(seat.source, &self, RELATION, &every_row, measure, &visits) ==
                   -SV_ECORRUPT;
        cr_assert_eq(write_row(&seat, RELATION, key, "again"), 0);
        corrupt += seat.source->commit(seat.source, &self, &version) == -SV_ECORRUPT;
        seat.source->rollback(seat.source, &self);
        seat.source->close(seat.source);
        for (size_t i = ROWS_MAX * stride; i < sizeof(rows); i++) {
            cr_assert_eq(rows[i], 0xa5, "round %u wrote behind the rows", round);
        }
        for (size_t i = WRITES_MAX * stride; i < sizeof(redo); i++) {
            cr_assert_eq(redo[i], 0xa5, "round %u wrote behind the record", round);
        }
    }
    cr_assert_gt(corrupt, 1000, "nobody noticed");
    cr_assert_gt(visits, 1000, "nothing was ever read");
    seats_leave(&seats);
}

/*
 * Claim:   a redo record that counts and makes no sense is not left half done in silence: everyone
 *          is told from then on.
 */
Test(table_unit, a_lost_table_says_so_to_everyone)
{
    struct seats seats = seats_take();
    (void)set_row(&seats.mine, keys_of("a", NULL), "v");
    sv_store_relaxed32(&seats.segment->table->redo_count, WRITES_MAX + 1);
    sv_store_relaxed32(&seats.segment->table->redo_phase, SV_REDO_COUNTS);
    sv_lock_classes[SV_LOCK_TABLE].repair(seats.segment);
    struct seen seen = {0};
    cr_assert_eq(read_row(&seats.other, RELATION, keys_of("a", NULL), &seen), -SV_ECORRUPT);
    cr_assert_eq(list_rows(&seats.other, RELATION, every_row, &seen), -SV_ECORRUPT);
    begin(&seats.mine);
    put(&seats.mine, keys_of("b", NULL), "v");
    cr_assert_eq(sv_transaction_commit(seats.mine.self), -SV_ECORRUPT);
    seats_leave(&seats);
}
