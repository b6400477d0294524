/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * SQLite as a source: the contract of sources, what cannot be opened, who waits for whom, and
 * what happens when SQLite gives a transaction up.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "source_support.h"
#include "sqlite_support.h"

TestSuite(sqlite_unit, .timeout = 60);

static struct sv_sqlite *inside(const struct seat *seat)
{
    return seat->source->context;
}

static void run_sql(const struct seat *seat, const char *sql)
{
    const int code = sqlite3_exec(inside(seat)->database, sql, NULL, NULL, NULL);
    cr_assert_eq(code, SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(inside(seat)->database));
}

static struct seat seat_take(struct sv_segment *segment)
{
    struct seat seat = {.self = join(segment)};
    char message[256];
    const int result =
        sv_sqlite_open(seat.self, in_directory("file"), &seat.source, message, sizeof(message));
    cr_assert_eq(result, 0, "%d: %s", result, message);
    cr_assert_str_eq(message, "");
    return seat;
}

static void seat_leave(struct seat *seat)
{
    sv_backend_detach(seat->self);
    seat->source->close(seat->source);
}

static struct seats seats_take(void)
{
    make_directory();
    struct seats seats = {.segment = world((struct sv_config){.backends_max = 4, .capacity = 64})};
    seats.mine = seat_take(seats.segment);
    seats.other = seat_take(seats.segment);
    return seats;
}

static void seats_leave(struct seats *seats)
{
    seat_leave(&seats->mine);
    seat_leave(&seats->other);
    sv_segment_detach(seats->segment);
    remove_directory();
}

SOURCE_CONTRACT(sqlite_unit)

/* ---- opening --------------------------------------------------------------------------------- */

static void expect_refusal(const char *name, int expected, const char *words)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 2, .capacity = 4});
    struct sv_backend *self = join(segment);
    struct sv_source *source = NULL;
    char message[256] = "";
    const int result = sv_sqlite_open(self, name, &source, message, sizeof(message));
    cr_assert_eq(result, expected, "%s gives %d: %s", name, result, message);
    cr_assert_not_null(strstr(message, words), "\"%s\" does not say \"%s\"", message, words);
    cr_assert(name == NULL || strstr(message, name) != NULL, "\"%s\" does not say which", message);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/* Claim: what cannot be opened is refused with its path and what is wrong with it. */
Test(sqlite_unit, what_cannot_be_opened_is_refused_with_words)
{
    make_directory();
    expect_refusal(NULL, -EINVAL, "a path is needed");
    expect_refusal("", -EINVAL, "a path is needed");
    expect_refusal(":memory:", -EINVAL, "a path is needed");
    expect_refusal(directory, -EISDIR, "is a directory");
    expect_refusal("/dev/null", -EINVAL, "not a regular file");
    expect_refusal(in_directory("none/file"), -ENOENT, "unable to open");

    FILE *file = fopen(in_directory("file"), "w");
    cr_assert_not_null(file);
    for (int i = 0; i < 1000; i++) {
        (void)fputs("this is no database\n", file);
    }
    cr_assert_eq(fclose(file), 0);
    expect_refusal(in_directory("file"), -EMEDIUMTYPE, "not a database");
    remove_directory();
}

/* Claim: a table of the name with other columns is refused with what SQLite says about it. */
Test(sqlite_unit, a_table_of_another_shape_is_refused)
{
    make_directory();
    sqlite3 *database = NULL;
    cr_assert_eq(sqlite3_open(in_directory("file"), &database), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(database, "CREATE TABLE sinval (a); CREATE TABLE other (b)", NULL, NULL, NULL),
        SQLITE_OK);
    cr_assert_eq(sqlite3_close(database), SQLITE_OK);
    expect_refusal(in_directory("file"), -EIO, "no such column");
    remove_directory();
}

/* A child without the rights of root tries. Returns: 0 if it is refused as it should be. */
static int open_unprivileged(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    struct sv_source *source = NULL;
    char message[256] = "";
    if (geteuid() == 0 && seteuid(65534) != 0) {
        return 1;
    }
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 2;
    }
    if (sv_sqlite_open(self, argument, &source, message, sizeof(message)) != -EROFS) {
        return 3;
    }
    return strstr(message, "cannot be written") != NULL ? 0 : 4;
}

/* Claim: a file that can only be read is refused when it is opened, not at the first write. */
Test(sqlite_unit, a_file_that_can_only_be_read_is_refused)
{
    /* Where another user can get to: a build tree may lie in somebody's home. */
    cr_assert_eq(setenv("TMPDIR", "/tmp", 1), 0);
    struct seats seats = seats_take();
    (void)set_row(&seats.mine, keys_of("a", NULL), "v");
    seat_leave(&seats.mine);
    seat_leave(&seats.other);
    cr_assert_eq(chmod(directory, 0755), 0);
    cr_assert_eq(chmod(in_directory("file"), 0444), 0);
    const pid_t child = fork_child(open_unprivileged, seats.segment, path);
    const int status = reap(child);
    cr_assert_eq(status, 0, "status %x", status);
    (void)sv_backend_settle_dead(seats.segment);
    sv_segment_detach(seats.segment);
    remove_directory();
}

/* Open with all the others at the same moment, and write. */
static int open_and_write(struct sv_segment *segment, void *argument)
{
    struct sv_atomic32 *ready = argument;
    struct seat seat = {0};
    char message[256] = "";
    if (sv_backend_attach(segment, NULL, &seat.self) != 0) {
        return 1;
    }
    (void)sv_fetch_add_seq32(ready, UINT32_MAX);
    sv_os_wake(ready, INT32_MAX);
    for (uint32_t missing; (missing = sv_load_acquire32(ready)) != 0;) {
        (void)sv_os_wait(ready, missing, UINT64_C(100000000));
    }
    if (sv_sqlite_open(seat.self, path, &seat.source, message, sizeof(message)) != 0) {
        return 3;
    }
    const struct sv_keys key = keys_of("a", NULL);
    const struct sv_tuple tuple = {.data = "v", .size_bytes = 1};
    if (sv_transaction_begin(seat.self, NULL) != 0 ||
        sv_source_write(seat.self, seat.source, RELATION, &key, &tuple) != 0 ||
        sv_transaction_commit(seat.self) != 0) {
        return 2;
    }
    sv_backend_detach(seat.self);
    seat.source->close(seat.source);
    return 0;
}

/*
 * Claim:   processes that find no file all open it, and none of their commits is lost.
 * Method:  forty times, four processes at once open a file that is not there and write; the
 *          versions of their commits count them.
 */
Test(sqlite_unit, a_new_file_can_be_opened_by_many_at_once)
{
    enum { ROUNDS = 40, PROCESSES = 4 };
    struct sv_segment *segment =
        world((struct sv_config){.backends_max = PROCESSES + 1, .capacity = 64});
    struct sv_atomic32 *ready =
        mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(ready, MAP_FAILED);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        pid_t children[PROCESSES];
        make_directory();
        (void)in_directory("file");
        sv_store_release32(ready, PROCESSES);
        for (uint32_t i = 0; i < PROCESSES; i++) {
            children[i] = fork_child(open_and_write, segment, ready);
        }
        for (uint32_t i = 0; i < PROCESSES; i++) {
            const int status = reap(children[i]);
            cr_assert_eq(status, 0, "round %u process %u: status %x", round, i, status);
        }
        struct seat seat = seat_take(segment);
        expect_row(&seat, keys_of("a", NULL), "a=v ", PROCESSES);
        seat_leave(&seat);
        remove_directory();
    }
    sv_segment_detach(segment);
}

/* ---- locks and snapshots --------------------------------------------------------------------- */

/*
 * Claim:   who wants to write while somebody alive keeps SQLite's lock gets SV_CONFLICT, can roll
 *          back, and is fine afterwards; readers are not kept waiting.
 */
Test(sqlite_unit, a_write_lock_kept_by_the_living_is_a_conflict)
{
    struct seats seats = seats_take();
    const struct sv_keys key = keys_of("a", NULL);
    (void)sqlite3_busy_timeout(inside(&seats.other)->database, 50);
    (void)set_row(&seats.mine, key, "old");
    begin(&seats.mine);
    put(&seats.mine, key, "new");

    begin(&seats.other);
    const struct sv_tuple tuple = {.data = "x", .size_bytes = 1};
    cr_assert_eq(sv_source_write(seats.other.self, seats.other.source, RELATION, &key, &tuple),
                 SV_CONFLICT);
    cr_assert_str_eq(sv_sqlite_error(seats.other.source), "database is locked");
    expect_row(&seats.other, key, "a=old ", 1);
    sv_transaction_rollback(seats.other.self);

    const uint64_t version = commit(&seats.mine);
    expect_row(&seats.other, key, "a=new ", version);
    cr_assert_eq(set_row(&seats.other, key, "x"), version + 1);
    seats_leave(&seats);
}

/* Reads again inside a list, after somebody else has committed. */
static int read_newer(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct meddler *meddler = argument;
    (void)tuple;
    const uint64_t version = set_row(meddler->other, *keys, "newer");
    struct seen seen = {0};
    cr_assert_eq(read_row(meddler->mine, RELATION, *keys, &seen), 0);
    cr_assert_eq(seen.version, version, "an old snapshot: %s", seen.text);
    meddler->visits++;
    return 0;
}

/*
 * Claim:   a read sees what was committed before it began, also from inside a list, also in a
 *          transaction that has not written (L1).
 */
Test(sqlite_unit, no_read_is_of_an_old_snapshot)
{
    struct seats seats = seats_take();
    const struct seat *mine = &seats.mine;
    begin(mine);
    cr_assert_eq(sv_transaction_enlist(mine->self, mine->source), 0);
    for (uint32_t i = 0; i < 3; i++) {
        (void)set_row(&seats.other, keys_of((const char *[]){"a", "b", "c"}[i], NULL), "old");
    }
    struct meddler meddler = {.mine = mine, .other = &seats.other};
    cr_assert_eq(
        mine->source->list(mine->source, mine->self, RELATION, &every_row, read_newer, &meddler),
        0);
    cr_assert_eq(meddler.visits, 3);
    (void)commit(mine);
    seats_leave(&seats);
}

/* ---- when SQLite gives up -------------------------------------------------------------------- */

/* Let the file grow no further, and write until it is full. Returns: what the write said. */
static int write_until_full(const struct seat *seat)
{
    static char large[100000];
    memset(large, 'x', sizeof(large) - 1);
    run_sql(seat, "PRAGMA max_page_count = 16");
    return write_row(seat, RELATION, keys_of("large", NULL), large);
}

/*
 * Claim:   a transaction of which SQLite has given up a part cannot be committed: all of it is
 *          there, or nothing.
 * Method:  the database is full at the second write. Whether SQLite undid only that or everything
 *          is its affair; here the commit answers for all that was written before.
 */
Test(sqlite_unit, a_full_disk_is_an_answer_and_nothing_is_half_done)
{
    struct seats seats = seats_take();
    begin(&seats.mine);
    put(&seats.mine, keys_of("a", NULL), "v");
    cr_assert_eq(write_until_full(&seats.mine), -ENOSPC);
    cr_assert_str_eq(sv_sqlite_error(seats.mine.source), "database or disk is full");
    const int result = sv_transaction_commit(seats.mine.self);
    const bool is_there = result == 0;
    cr_assert(is_there || result == -ENOSPC, "commit gives %d", result);
    struct seen seen = {0};
    cr_assert_eq(read_row(&seats.other, RELATION, keys_of("a", NULL), &seen),
                 is_there ? 0 : SV_NOT_FOUND);
    run_sql(&seats.mine, "PRAGMA max_page_count = 100000");
    (void)set_row(&seats.mine, keys_of("b", NULL), "goes on");
    seats_leave(&seats);
}

/*
 * Claim:   once SQLite has rolled a transaction back behind our back, every call answers with the
 *          reason until it is rolled back here too; then all is well.
 * Method:  the transaction is ended from outside, as SQLite does on some failures, and the next
 *          write made to fail.
 */
Test(sqlite_unit, a_lost_transaction_stays_lost)
{
    struct seats seats = seats_take();
    const struct seat *mine = &seats.mine;
    begin(mine);
    put(mine, keys_of("a", NULL), "lost");
    run_sql(mine, "ROLLBACK; ALTER TABLE sinval RENAME TO other");
    const int reason = write_row(mine, RELATION, keys_of("b", NULL), "too late");
    cr_assert_eq(reason, -EIO);
    cr_assert_not_null(strstr(sv_sqlite_error(mine->source), "no such table"));
    run_sql(mine, "ALTER TABLE other RENAME TO sinval");
    struct seen seen = {0};
    cr_assert_eq(read_row(mine, RELATION, keys_of("a", NULL), &seen), reason);
    cr_assert_eq(list_rows(mine, RELATION, every_row, &seen), reason);
    cr_assert_eq(write_row(mine, RELATION, keys_of("c", NULL), "too late"), reason);
    cr_assert_eq(sv_transaction_commit(mine->self), reason);
    cr_assert_eq(sv_transaction_level(mine->self), 0);
    cr_assert_eq(inside(mine)->failed, 0);
    seats_leave(&seats);
}

/* Claim: rows that somebody else put into the table, and that cannot be ours, are an answer. */
Test(sqlite_unit, rows_of_another_hand_are_an_answer)
{
    struct seats seats = seats_take();
    struct seen seen = {0};
    run_sql(&seats.mine, "INSERT INTO sinval VALUES (7, zeroblob(65), x'', x'', x'', 1, x'01', 1)");
    cr_assert_eq(list_rows(&seats.mine, RELATION, every_row, &seen), -SV_ECORRUPT);
    run_sql(&seats.mine, "DELETE FROM sinval;"
                         "INSERT INTO sinval VALUES (7, x'', x'', x'', x'', 5, x'01', 1)");
    cr_assert_eq(list_rows(&seats.mine, RELATION, every_row, &seen), -SV_ECORRUPT);
    run_sql(&seats.mine, "DELETE FROM sinval;"
                         "INSERT INTO sinval VALUES (7, x'61', x'', x'', x'', 1, 'text', 1)");
    cr_assert_eq(list_rows(&seats.mine, RELATION, every_row, &seen), 0);
    cr_assert_str_eq(seen.text, "a=text ");
    run_sql(&seats.mine, "DELETE FROM sinval_version");
    begin(&seats.mine);
    cr_assert_eq(write_row(&seats.mine, RELATION, keys_of("b", NULL), "v"), -SV_ECORRUPT);
    sv_transaction_rollback(seats.mine.self);
    seats_leave(&seats);
}

/*
 * Claim:   a write that could not begin SQLite's transaction holds up nobody, whatever becomes of
 *          the transaction that it belongs to.
 * Method:  the counter of versions is gone; two writes fail, then commit or rollback. Another
 *          connection puts the counter back, and both write.
 */
Test(sqlite_unit, a_write_that_cannot_begin_leaves_no_lock)
{
    struct seats seats = seats_take();
    const struct seat *mine = &seats.mine;
    const struct sv_keys keys = keys_of("a", NULL);
    const struct sv_tuple tuple = {.data = "v", .size_bytes = 1};
    for (int way = 0; way < 2; way++) {
        run_sql(mine, "DELETE FROM sinval_version");
        begin(mine);
        for (int i = 0; i < 2; i++) {
            cr_assert_eq(sv_source_write(mine->self, mine->source, RELATION, &keys, &tuple),
                         -SV_ECORRUPT);
            cr_assert_eq(sqlite3_get_autocommit(inside(mine)->database), 1, "a lock is held");
        }
        if (way == 0) {
            sv_transaction_rollback(mine->self);
        } else {
            cr_assert_eq(sv_transaction_commit(mine->self), 0);
        }
        cr_assert_eq(sqlite3_get_autocommit(inside(mine)->database), 1);
        run_sql(&seats.other, "INSERT INTO sinval_version VALUES (0, 100)");
        cr_assert_eq(set_row(&seats.other, keys, "other"), 101);
        cr_assert_eq(set_row(mine, keys, "mine"), 102);
    }
    seats_leave(&seats);
}

/*
 * Claim:   a write that SQLite does not allow is -EROFS with its words, and works when it does.
 * Method:  a connection that may only read for a while.
 */
Test(sqlite_unit, a_write_where_none_is_allowed_says_so)
{
    struct seats seats = seats_take();
    const struct seat *mine = &seats.mine;
    const struct sv_keys keys = keys_of("a", NULL);
    const struct sv_tuple tuple = {.data = "v", .size_bytes = 1};
    run_sql(mine, "PRAGMA query_only = 1");
    begin(mine);
    cr_assert_eq(sv_source_write(mine->self, mine->source, RELATION, &keys, &tuple), -EROFS);
    cr_assert_not_null(strstr(sv_sqlite_error(mine->source), "readonly"), "\"%s\"",
                       sv_sqlite_error(mine->source));
    sv_transaction_rollback(mine->self);
    run_sql(mine, "PRAGMA query_only = 0");
    (void)set_row(mine, keys, "v");
    seats_leave(&seats);
}

/*
 * Claim:   the words of a source are those of its last failure.
 * Method:  two writes that fail, each for a reason of its own.
 */
Test(sqlite_unit, the_words_are_of_the_last_failure)
{
    struct seats seats = seats_take();
    const struct seat *mine = &seats.mine;
    const struct sv_keys keys = keys_of("a", NULL);
    begin(mine);
    run_sql(mine, "ALTER TABLE sinval RENAME TO other");
    cr_assert_eq(write_row(mine, RELATION, keys, "v"), -EIO);
    cr_assert_not_null(strstr(sv_sqlite_error(mine->source), "no such table"), "\"%s\"",
                       sv_sqlite_error(mine->source));
    sv_transaction_rollback(mine->self);
    run_sql(mine, "ALTER TABLE other RENAME TO sinval; PRAGMA query_only = 1");
    begin(mine);
    cr_assert_eq(write_row(mine, RELATION, keys, "v"), -EROFS);
    cr_assert_not_null(strstr(sv_sqlite_error(mine->source), "readonly"), "\"%s\"",
                       sv_sqlite_error(mine->source));
    sv_transaction_rollback(mine->self);
    seats_leave(&seats);
}
