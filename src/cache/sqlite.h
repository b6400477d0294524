/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * An SQLite database as a source. Opening: src/cache/sqlite_open.c; reading, writing and why both
 * are right: src/cache/sqlite.c. Contract: sinval/source.h.
 */
#ifndef SINVAL_CACHE_SQLITE_H
#define SINVAL_CACHE_SQLITE_H

#include <sqlite3.h>

#include "sinval/source.h"

/* How long SQLite waits for a lock that somebody alive holds. */
#define SV_SQLITE_BUSY_MS 5000

enum sv_sqlite_statement {
    SV_SQLITE_BEGIN,
    SV_SQLITE_DRAW, /* the version of the transaction */
    SV_SQLITE_COMMIT,
    SV_SQLITE_ROLLBACK,
    SV_SQLITE_SAVEPOINT,
    SV_SQLITE_RELEASE,
    SV_SQLITE_ROLLBACK_TO,
    SV_SQLITE_READ,
    SV_SQLITE_UPSERT,
    SV_SQLITE_DELETE,
    SV_SQLITE_LIST, /* and behind it those with 1 to SV_KEYS_MAX keys given */
    SV_SQLITE_STATEMENT_COUNT = SV_SQLITE_LIST + SV_KEYS_MAX + 1,
};

/* Numbers of the parameters, the same in every statement that has them. */
enum {
    SV_SQLITE_RELATION = 1,
    SV_SQLITE_KEY_0, /* and so on */
    SV_SQLITE_KEY_COUNT = SV_SQLITE_KEY_0 + SV_KEYS_MAX,
    SV_SQLITE_VALUE,
    SV_SQLITE_VERSION,
};

/* Numbers of the columns that READ and LIST give. */
enum {
    SV_SQLITE_COLUMN_KEY_COUNT,
    SV_SQLITE_COLUMN_KEY_0,
    SV_SQLITE_COLUMN_VALUE = SV_SQLITE_COLUMN_KEY_0 + SV_KEYS_MAX,
    SV_SQLITE_COLUMN_VERSION,
};

struct sv_sqlite {
    struct sv_source source;
    sqlite3 *database;
    sqlite3_stmt *statements[SV_SQLITE_STATEMENT_COUNT];
    uint64_t version; /* drawn by the open write transaction; 0: none is open */
    uint32_t level;   /* the deepest that has its savepoint; 1 has none */
    int failed;       /* -errno: SQLite gave the transaction up, it can only be rolled back */
    char words[256];  /* SQLite's, on the last failure */
};

/* Keep SQLite's words. Returns: the -errno that stands for the code, which is a failure. */
SV_NODISCARD int sv_sqlite_failure(struct sv_sqlite *sqlite, int code);

/* Fill in what sqlite.c implements. */
void sv_sqlite_methods(struct sv_source *source);

/* Finalize, close, free; also one that is opened half way. */
void sv_sqlite_free(struct sv_sqlite *sqlite);

#endif
