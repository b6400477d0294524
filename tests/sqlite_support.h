/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A directory for a test's database, its own and gone with it.
 */
#ifndef SINVAL_TESTS_SQLITE_SUPPORT_H
#define SINVAL_TESTS_SQLITE_SUPPORT_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/sqlite.h"

static char directory[64];
static char path[96]; /* of the database, or of what else was last asked for */

static inline const char *in_directory(const char *name)
{
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

/* path is then that of the database. */
static inline void make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    (void)snprintf(directory, sizeof(directory), "%.40s/sinval-test-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    cr_assert_not_null(mkdtemp(directory));
    (void)in_directory("file");
}

static inline void remove_directory(void)
{
    static const char *const names[] = {"file", "file-wal", "file-shm", "file-journal"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)unlink(in_directory(names[i]));
    }
    cr_assert_eq(rmdir(directory), 0, "%s: something is left in it", directory);
}

/* As a suite opens its source. */
static inline int open_file(struct sv_backend *self, struct sv_source **source)
{
    char message[256];
    return sv_sqlite_open(self, path, source, message, sizeof(message));
}

static inline sqlite3 *database_of(const struct sv_source *source)
{
    const struct sv_sqlite *sqlite = source->context;
    return sqlite->database;
}

#endif
