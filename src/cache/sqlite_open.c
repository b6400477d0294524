/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Opening an SQLite database as a source.
 *
 * What is there is taken as it is; only if the tables are missing are they made, all in one
 * transaction, so whoever is killed at it leaves none or all. Many may do so at once: who comes
 * second finds them there. Turning a new file to WAL needs it exclusively, and SQLite gives up at
 * once where two want that who both already read; so that is tried until the busy time is over.
 *
 * WAL with synchronous=NORMAL: a commit is in the page cache before COMMIT returns, which a killed
 * process cannot take back. What a power failure may cost is the newest commits, never the file;
 * caches do not outlive one either.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/os.h"
#include "cache/sqlite.h"

#define RETRY_NS UINT64_C(1000000)

#define COLUMNS    "key_count, k0, k1, k2, k3, value, version"
#define OF_ROW     "relation = ?1 AND k0 = ?2 AND k1 = ?3 AND k2 = ?4 AND k3 = ?5 AND key_count = ?6"
#define LIST(more) "SELECT " COLUMNS " FROM sinval WHERE relation = ?1" more

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS sinval (relation INTEGER NOT NULL, k0 BLOB NOT NULL,"
    " k1 BLOB NOT NULL, k2 BLOB NOT NULL, k3 BLOB NOT NULL, key_count INTEGER NOT NULL,"
    " value BLOB NOT NULL, version INTEGER NOT NULL,"
    " PRIMARY KEY (relation, k0, k1, k2, k3, key_count)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS sinval_version"
    " (id INTEGER PRIMARY KEY CHECK (id = 0), version INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO sinval_version VALUES (0, 0);";

static const char *const texts[SV_SQLITE_STATEMENT_COUNT] = {
    [SV_SQLITE_BEGIN] = "BEGIN IMMEDIATE",
    [SV_SQLITE_DRAW] = "UPDATE sinval_version SET version = version + 1 RETURNING version",
    [SV_SQLITE_COMMIT] = "COMMIT",
    [SV_SQLITE_ROLLBACK] = "ROLLBACK",
    [SV_SQLITE_SAVEPOINT] = "SAVEPOINT level",
    [SV_SQLITE_RELEASE] = "RELEASE level",
    [SV_SQLITE_ROLLBACK_TO] = "ROLLBACK TO level",
    [SV_SQLITE_READ] = "SELECT " COLUMNS " FROM sinval WHERE " OF_ROW,
    [SV_SQLITE_UPSERT] = "REPLACE INTO sinval VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SV_SQLITE_DELETE] = "DELETE FROM sinval WHERE " OF_ROW,
    [SV_SQLITE_LIST] = LIST(""),
    [SV_SQLITE_LIST + 1] = LIST(" AND k0 = ?2 AND key_count >= 1"),
    [SV_SQLITE_LIST + 2] = LIST(" AND k0 = ?2 AND k1 = ?3 AND key_count >= 2"),
    [SV_SQLITE_LIST + 3] = LIST(" AND k0 = ?2 AND k1 = ?3 AND k2 = ?4 AND key_count >= 3"),
    [SV_SQLITE_LIST + 4] =
        LIST(" AND k0 = ?2 AND k1 = ?3 AND k2 = ?4 AND k3 = ?5 AND key_count >= 4"),
};

static int error_of(sqlite3 *database, int code)
{
    const int system_error = sqlite3_system_errno(database);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CORRUPT:
        return -SV_ECORRUPT;
    case SQLITE_NOTADB:
        return -EMEDIUMTYPE;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_TOOBIG:
        return -EINVAL;
    case SQLITE_PROTOCOL:
        return -EAGAIN;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return system_error > 0 && system_error != EINTR ? -system_error : -EIO;
    default:
        return -EIO;
    }
}

int sv_sqlite_failure(struct sv_sqlite *sqlite, int code)
{
    (void)snprintf(sqlite->words, sizeof(sqlite->words), "%s", sqlite3_errmsg(sqlite->database));
    return error_of(sqlite->database, code);
}

const char *sv_sqlite_error(const struct sv_source *source)
{
    const struct sv_sqlite *sqlite = source->context;
    return sqlite->words;
}

void sv_sqlite_free(struct sv_sqlite *sqlite)
{
    for (int i = 0; i < SV_SQLITE_STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(sqlite->statements[i]);
    }
    (void)sqlite3_close(sqlite->database);
    free(sqlite);
}

/* Is it something that SQLite should be shown? Returns: 0; -errno, and words. */
static int check_path(struct sv_sqlite *sqlite, const char *path)
{
    struct stat status;
    const char *wrong = NULL;
    int result = 0;
    if (path == NULL || path[0] == '\0' || strcmp(path, ":memory:") == 0) {
        wrong = "a path is needed that other processes can open too";
        result = -EINVAL;
    } else if (stat(path, &status) != 0) {
        return 0; /* to be made; if not, SQLite says why */
    } else if (S_ISDIR(status.st_mode)) {
        wrong = "is a directory; a file is needed";
        result = -EISDIR;
    } else if (!S_ISREG(status.st_mode)) {
        wrong = "is not a regular file";
        result = -EINVAL;
    }
    if (wrong != NULL) {
        (void)snprintf(sqlite->words, sizeof(sqlite->words), "%s", wrong);
    }
    return result;
}

/* Returns: SQLite's code; SQLITE_IOERR, with *mode another, if there can be no WAL. */
static int set_wal_once(struct sv_sqlite *sqlite, char *mode, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v2(sqlite->database, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        (void)snprintf(mode, size, "%s", (const char *)sqlite3_column_text(statement, 0));
        code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return code;
}

static int set_wal(struct sv_sqlite *sqlite)
{
    const uint64_t deadline_ns = sv_os_now_ns() + SV_SQLITE_BUSY_MS * UINT64_C(1000000);
    char mode[16] = "";
    int code;
    while (((code = set_wal_once(sqlite, mode, sizeof(mode))) & 0xff) == SQLITE_BUSY &&
           sv_os_now_ns() < deadline_ns) {
        struct sv_atomic32 nobody = {0};
        (void)sv_os_wait(&nobody, 0, RETRY_NS);
    }
    if (code != SQLITE_OK) {
        return sv_sqlite_failure(sqlite, code);
    }
    if (strcmp(mode, "wal") != 0) {
        (void)snprintf(sqlite->words, sizeof(sqlite->words),
                       "its journal mode stays %s; WAL is needed, on a local file system", mode);
        return -ENOTSUP;
    }
    return 0;
}

static int prepare_all(struct sv_sqlite *sqlite)
{
    for (int i = 0; i < SV_SQLITE_STATEMENT_COUNT; i++) {
        const int code =
            sqlite->statements[i] != NULL
                ? SQLITE_OK
                : sqlite3_prepare_v3(sqlite->database, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                     &sqlite->statements[i], NULL);
        if (code != SQLITE_OK) {
            return sv_sqlite_failure(sqlite, code);
        }
    }
    return 0;
}

/* Are the tables there? Returns: 0; SV_NOT_FOUND; -errno. */
static int look_for_tables(struct sv_sqlite *sqlite)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(sqlite->database,
                                  "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND"
                                  " name IN ('sinval', 'sinval_version')",
                                  -1, &statement, NULL);
    int count = 0;
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        count = sqlite3_column_int(statement, 0);
        code = SQLITE_OK;
    }
    const int result = code != SQLITE_OK ? sv_sqlite_failure(sqlite, code) : 0;
    (void)sqlite3_finalize(statement);
    return result == 0 && count < 2 ? SV_NOT_FOUND : result;
}

static int make_tables(struct sv_sqlite *sqlite)
{
    int code = sqlite3_exec(sqlite->database, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_exec(sqlite->database, schema, NULL, NULL, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_exec(sqlite->database, "COMMIT", NULL, NULL, NULL);
    }
    /* What is left of a failure goes with the connection. */
    return code == SQLITE_OK ? 0 : sv_sqlite_failure(sqlite, code);
}

static int enter(struct sv_sqlite *sqlite, const char *path)
{
    int result = check_path(sqlite, path);
    if (result != 0) {
        return result;
    }
    int code =
        sqlite3_open_v2(path, &sqlite->database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return sv_sqlite_failure(sqlite, code);
    }
    if (sqlite3_db_readonly(sqlite->database, "main") == 1) {
        (void)snprintf(sqlite->words, sizeof(sqlite->words), "cannot be written");
        return -EROFS;
    }
    (void)sqlite3_busy_timeout(sqlite->database, SV_SQLITE_BUSY_MS);
    result = set_wal(sqlite);
    if (result == 0 && (code = sqlite3_exec(sqlite->database, "PRAGMA synchronous = NORMAL", NULL,
                                            NULL, NULL)) != SQLITE_OK) {
        result = sv_sqlite_failure(sqlite, code);
    }
    if (result == 0 && (result = look_for_tables(sqlite)) == SV_NOT_FOUND) {
        result = make_tables(sqlite);
    }
    return result == 0 ? prepare_all(sqlite) : result;
}

int sv_sqlite_open(struct sv_backend *self, const char *path, struct sv_source **source,
                   char *message, size_t size)
{
    (void)self;
    struct sv_sqlite *sqlite = calloc(1, sizeof(*sqlite));
    if (sqlite == NULL) {
        (void)snprintf(message, size, "out of memory");
        return -ENOMEM;
    }
    const int result = enter(sqlite, path);
    if (result != 0) {
        (void)snprintf(message, size, "%s: %s", path != NULL ? path : "(null)", sqlite->words);
        sv_sqlite_free(sqlite);
        return result;
    }
    (void)snprintf(message, size, "%s", "");
    sqlite->level = 1;
    sqlite->source = (struct sv_source){.name = "sqlite", .context = sqlite};
    sv_sqlite_methods(&sqlite->source);
    *source = &sqlite->source;
    return 0;
}
