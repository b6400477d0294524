/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rows in an SQLite database that many processes share.
 *
 * The rule: a read that starts after an accept sees at least what was visible at that accept.
 * SQLite would break it by kindness: while any statement is open, a connection keeps the snapshot
 * it began with, however old. So
 *
 *     L1  outside a write transaction nothing stays open: every read is one SELECT of its own,
 *         whose rows are copied and whose statement is reset before anybody is shown a row. The
 *         next read takes a new snapshot.
 *     L2  a write transaction begins with BEGIN IMMEDIATE: it gets the write lock and with it the
 *         newest snapshot, and until it ends nobody else commits. So its reads are not old either.
 *     L3  the version is drawn right after BEGIN, inside the transaction. Write transactions do
 *         not overlap, so versions grow in the order of commits; one that is rolled back puts its
 *         number back, and nobody has seen it. Rows that carry the open transaction's number are
 *         reported as version 0, which is how a reader knows its own uncommitted ones.
 *
 * Reads before the first write of a transaction may see commits of others come in between, as with
 * the table: the last commit wins, conflicts are not looked for. SV_CONFLICT is only SQLite's busy
 * answer: somebody alive has kept the write lock for SV_SQLITE_BUSY_MS.
 *
 * Death. SQLite's locks are fcntl locks, and the kernel drops them with the process; nobody waits
 * for the dead (K1). What was written to the WAL without its commit is not in the index's header,
 * so nobody reads it and the next writer writes over it. A header torn by the death is recognised
 * by its two copies, and the next to come rebuilds the index from the WAL. So a transaction is
 * there as a whole or not at all; which of the two, the dead cannot say, so its intent is sent in
 * either case (K2).
 *
 *     Not covered: the dead wrote its commit frame, but not the header, so it did not count; and
 *     before any other writer wrote over that frame, a second one is killed in the few stores in
 *     which it resets that header. Then the rebuilding finds the first one's commit, which appears
 *     after its messages were sent.
 *
 * Levels are savepoints, all of one name since SQLite nests them. They are opened by the first
 * write of a level and not before: one without writes has nothing to undo, and a transaction
 * without writes must not hold SQLite's lock.
 *
 * Some failures (disk full, out of memory) make SQLite give up the whole transaction. Then `failed`
 * keeps the reason, and everything but a rollback is answered with it: what is lost of a
 * transaction must not be committed without.
 */
#include "cache/sqlite.h"

#include <errno.h>

#include "base/point.h"
#include "cache/keys.h"
#include "cache/rows.h"

static struct sv_sqlite *sqlite_of(const struct sv_source *source)
{
    return source->context;
}

/* Ready for the next use: nothing open, nothing bound. */
static void finish(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

/* Run a statement that gives no rows. Returns: SQLITE_OK or its code. */
static int run(struct sv_sqlite *sqlite, enum sv_sqlite_statement which)
{
    sqlite3_stmt *statement = sqlite->statements[which];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    }
    finish(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* After a failure: did SQLite give up the transaction with it? Returns: the -errno. */
static int fail(struct sv_sqlite *sqlite, int code)
{
    const int result = sv_sqlite_failure(sqlite, code);
    if (sqlite->version != 0 && sqlite3_get_autocommit(sqlite->database)) {
        sqlite->failed = result;
    }
    return result;
}

static int bind_blob(sqlite3_stmt *statement, int parameter, const void *data, uint32_t size_bytes)
{
    /* A null pointer would be NULL, which is not the empty blob. */
    return sqlite3_bind_blob64(statement, parameter, size_bytes != 0 ? data : "", size_bytes,
                               SQLITE_STATIC);
}

/* Bind relation, count, and all of the keys, or those given for a list. Returns: SQLite's code. */
static int bind_keys(sqlite3_stmt *statement, uint32_t relation, const struct sv_keys *keys,
                     bool is_list)
{
    int code = sqlite3_bind_int64(statement, SV_SQLITE_RELATION, relation);
    const uint32_t count = is_list ? keys->count : SV_KEYS_MAX;
    for (uint32_t i = 0; i < count && code == SQLITE_OK; i++) {
        const struct sv_key none = {0};
        const struct sv_key *key = i < keys->count ? &keys->key[i] : &none;
        code = bind_blob(statement, SV_SQLITE_KEY_0 + (int)i, key->data, key->size_bytes);
    }
    if (code == SQLITE_OK && !is_list) {
        code = sqlite3_bind_int64(statement, SV_SQLITE_KEY_COUNT, keys->count);
    }
    return code;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Returns: 0; -ENOMEM; -SV_ECORRUPT: somebody else wrote that row. */
static int copy_row(const struct sv_sqlite *sqlite, sqlite3_stmt *statement, struct sv_rows *copies)
{
    const void *value = sqlite3_column_blob(statement, SV_SQLITE_COLUMN_VALUE);
    const uint32_t value_bytes = (uint32_t)sqlite3_column_bytes(statement, SV_SQLITE_COLUMN_VALUE);
    const int64_t key_count = sqlite3_column_int64(statement, SV_SQLITE_COLUMN_KEY_COUNT);
    if (key_count < 1 || key_count > SV_KEYS_MAX) {
        return -SV_ECORRUPT;
    }
    struct sv_keys keys = {.count = (uint32_t)key_count};
    for (int i = 0; i < key_count; i++) {
        keys.key[i].data = sqlite3_column_blob(statement, SV_SQLITE_COLUMN_KEY_0 + i);
        keys.key[i].size_bytes =
            (uint32_t)sqlite3_column_bytes(statement, SV_SQLITE_COLUMN_KEY_0 + i);
    }
    struct sv_row_copy *copy = sv_rows_add(copies, value_bytes);
    if (copy == NULL) {
        return -ENOMEM;
    }
    const uint64_t version = (uint64_t)sqlite3_column_int64(statement, SV_SQLITE_COLUMN_VERSION);
    copy->version = version != sqlite->version ? version : 0; /* L3 */
    if (value_bytes != 0) {
        memcpy(copy->value, value, value_bytes);
    }
    return sv_packed_set(&copy->keys, &keys, 1) == 0 ? 0 : -SV_ECORRUPT;
}

/* Copy all rows that a bound statement gives, and close it. Returns: 0; -errno. */
static int copy_rows(struct sv_sqlite *sqlite, sqlite3_stmt *statement, int code,
                     struct sv_rows *copies)
{
    int result = 0;
    if (code == SQLITE_OK) {
        while (result == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
            result = copy_row(sqlite, statement, copies);
        }
    }
    if (result == 0 && code != SQLITE_DONE) {
        result = fail(sqlite, code);
    }
    finish(statement); /* L1 */
    return result;
}

static int sqlite_read(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                       const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    (void)self;
    struct sv_sqlite *sqlite = sqlite_of(source);
    if (!sv_keys_valid(keys, keys->count)) {
        return -EINVAL;
    }
    if (sqlite->failed != 0) {
        return sqlite->failed;
    }
    struct sv_rows copies = {0};
    sqlite3_stmt *statement = sqlite->statements[SV_SQLITE_READ];
    int result = copy_rows(sqlite, statement, bind_keys(statement, relation, keys, false), &copies);
    if (result == 0) {
        result = copies.used_bytes == 0 ? SV_NOT_FOUND : sv_rows_visit(&copies, visit, argument);
    }
    sv_rows_free(&copies);
    return result;
}

static int sqlite_list(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                       const struct sv_keys *keys, sv_row_visit visit, void *argument)
{
    (void)self;
    struct sv_sqlite *sqlite = sqlite_of(source);
    if (keys->count != 0 && !sv_keys_valid(keys, keys->count)) {
        return -EINVAL;
    }
    if (sqlite->failed != 0) {
        return sqlite->failed;
    }
    struct sv_rows copies = {0};
    sqlite3_stmt *statement = sqlite->statements[SV_SQLITE_LIST + keys->count];
    int result = copy_rows(sqlite, statement, bind_keys(statement, relation, keys, true), &copies);
    if (result == 0) {
        result = sv_rows_visit(&copies, visit, argument);
    }
    sv_rows_free(&copies);
    return result;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void sqlite_rollback(struct sv_source *source, struct sv_backend *self)
{
    (void)self;
    struct sv_sqlite *sqlite = sqlite_of(source);
    int code = SQLITE_OK;
    if (!sqlite3_get_autocommit(sqlite->database)) {
        code = run(sqlite, SV_SQLITE_ROLLBACK);
    }
    sqlite->version = 0;
    sqlite->level = 1;
    sqlite->failed = sqlite3_get_autocommit(sqlite->database) ? 0 : sv_sqlite_failure(sqlite, code);
}

/* Returns: SQLite's code; SQLITE_CORRUPT: the counter is gone. */
static int draw_version(struct sv_sqlite *sqlite)
{
    sqlite3_stmt *statement = sqlite->statements[SV_SQLITE_DRAW];
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        sqlite->version = (uint64_t)sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    } else if (code == SQLITE_DONE) {
        code = SQLITE_CORRUPT;
    }
    finish(statement);
    return code == SQLITE_OK && sqlite->version == 0 ? SQLITE_CORRUPT : code;
}

/* The write transaction, if there is none yet (L2). Returns: 0; SV_CONFLICT; -errno. */
static int begin(struct sv_source *source, struct sv_backend *self)
{
    struct sv_sqlite *sqlite = sqlite_of(source);
    if (sqlite->version != 0) {
        return 0;
    }
    int code = run(sqlite, SV_SQLITE_BEGIN);
    if (code == SQLITE_OK) {
        code = draw_version(sqlite);
    }
    if (code == SQLITE_OK) {
        return 0;
    }
    const int result = sv_sqlite_failure(sqlite, code);
    sqlite_rollback(source, self);
    return (code & 0xff) == SQLITE_BUSY ? SV_CONFLICT : result;
}

/* Savepoints down to the innermost level. Returns: SQLite's code. */
static int deepen(struct sv_sqlite *sqlite, uint32_t level)
{
    int code = SQLITE_OK;
    while (sqlite->level < level && (code = run(sqlite, SV_SQLITE_SAVEPOINT)) == SQLITE_OK) {
        sqlite->level++;
    }
    return code;
}

static int write_row(struct sv_sqlite *sqlite, uint32_t relation, const struct sv_keys *keys,
                     const struct sv_tuple *tuple)
{
    const enum sv_sqlite_statement which = tuple != NULL ? SV_SQLITE_UPSERT : SV_SQLITE_DELETE;
    sqlite3_stmt *statement = sqlite->statements[which];
    int code = bind_keys(statement, relation, keys, false);
    if (tuple != NULL && code == SQLITE_OK) {
        code = bind_blob(statement, SV_SQLITE_VALUE, tuple->data, tuple->size_bytes);
    }
    if (tuple != NULL && code == SQLITE_OK) {
        code = sqlite3_bind_int64(statement, SV_SQLITE_VERSION, (sqlite3_int64)sqlite->version);
    }
    if (code != SQLITE_OK) {
        finish(statement);
        return code;
    }
    return run(sqlite, which);
}

static int sqlite_write(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                        const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    struct sv_sqlite *sqlite = sqlite_of(source);
    if (!sv_keys_valid(keys, keys->count)) {
        return -EINVAL;
    }
    int result = sqlite->failed != 0 ? sqlite->failed : begin(source, self);
    if (result != 0) {
        return result;
    }
    int code = deepen(sqlite, sv_transaction_level(self));
    if (code == SQLITE_OK) {
        code = write_row(sqlite, relation, keys, tuple);
    }
    return code == SQLITE_OK ? 0 : fail(sqlite, code);
}

/* Opened by the first write of the level. */
static int sqlite_subtransaction_begin(struct sv_source *source, struct sv_backend *self,
                                       uint32_t level)
{
    (void)self;
    (void)level;
    return sqlite_of(source)->failed;
}

static int sqlite_subtransaction_release(struct sv_source *source, struct sv_backend *self,
                                         uint32_t level)
{
    (void)self;
    struct sv_sqlite *sqlite = sqlite_of(source);
    while (sqlite->level >= level && sqlite->failed == 0) {
        const int code = run(sqlite, SV_SQLITE_RELEASE);
        if (code != SQLITE_OK) {
            return fail(sqlite, code);
        }
        sqlite->level--;
    }
    return sqlite->failed;
}

static void sqlite_subtransaction_rollback(struct sv_source *source, struct sv_backend *self,
                                           uint32_t level)
{
    (void)self;
    struct sv_sqlite *sqlite = sqlite_of(source);
    while (sqlite->level >= level && sqlite->failed == 0) {
        int code = run(sqlite, SV_SQLITE_ROLLBACK_TO);
        if (code == SQLITE_OK) {
            code = run(sqlite, SV_SQLITE_RELEASE);
        }
        if (code != SQLITE_OK) {
            sqlite->failed = sv_sqlite_failure(sqlite, code); /* what it should undo is there */
            return;
        }
        sqlite->level--;
    }
}

static int sqlite_commit(struct sv_source *source, struct sv_backend *self, uint64_t *version)
{
    struct sv_sqlite *sqlite = sqlite_of(source);
    *version = 0;
    if (sqlite->version == 0) {
        return 0;
    }
    int result = sqlite->failed;
    if (result == 0 && SV_POINT_ANSWER(sqlite_commit_before) == SV_POINT_FAIL) {
        result = -EIO;
    }
    if (result == 0) {
        const int code = run(sqlite, SV_SQLITE_COMMIT);
        result = code == SQLITE_OK ? 0 : sv_sqlite_failure(sqlite, code);
    }
    if (result != 0) {
        sqlite_rollback(source, self);
        return result;
    }
    SV_POINT(sqlite_commit_after);
    *version = sqlite->version;
    sqlite->version = 0;
    sqlite->level = 1;
    return 0;
}

static void sqlite_close(struct sv_source *source)
{
    sv_sqlite_free(sqlite_of(source));
}

void sv_sqlite_methods(struct sv_source *source)
{
    source->read = sqlite_read;
    source->list = sqlite_list;
    source->write = sqlite_write;
    source->subtransaction_begin = sqlite_subtransaction_begin;
    source->subtransaction_release = sqlite_subtransaction_release;
    source->subtransaction_rollback = sqlite_subtransaction_rollback;
    source->commit = sqlite_commit;
    source->rollback = sqlite_rollback;
    source->close = sqlite_close;
}
