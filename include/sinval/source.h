/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sources: where tuples come from, and where changes go.
 *
 * Two come with the library: a transactional table in the segment, and an SQLite database that
 * many processes share. A store of one's own fills in struct sv_source.
 *
 * The rule that makes caching right: a change is visible to every reader before its message is
 * sent. And a read that starts after an accept sees at least what was visible at that accept; a
 * source with snapshots takes a new one for each read.
 */
#ifndef SINVAL_SOURCE_H
#define SINVAL_SOURCE_H

#include "sinval/transaction.h"

#define SV_KEYS_MAX      4
#define SV_KEY_BYTES_MAX 64 /* all keys of a row together, each with a length byte */

/* One key: bytes, compared as such. The bytes are the caller's and copied where kept. */
struct sv_key {
    const void *data;
    uint32_t size_bytes;
};

/* A tuple's contents: value bytes, and the version its commit gave it (grows with every commit). */
struct sv_tuple {
    const void *data;
    uint32_t size_bytes;
    uint64_t version; /* 0: written by the open transaction */
};

/* A row's keys. */
struct sv_keys {
    uint32_t count; /* 1 to SV_KEYS_MAX */
    struct sv_key key[SV_KEYS_MAX];
};

/* What a list calls for each row; non-zero stops it and becomes its result. */
typedef int (*sv_row_visit)(void *argument, const struct sv_keys *keys,
                            const struct sv_tuple *tuple);

/*
 * A source. Every function gets the backend it works for; context is the source's own.
 * An instance belongs to one backend (an SQLite connection does not survive fork either).
 */
struct sv_source {
    const char *name;
    void *context;

    /*
     * Call visit once with the row of exactly these keys, as this transaction sees it.
     * Returns: 0, what visit returned, SV_NOT_FOUND, or -errno. May call sv_accept_messages.
     */
    int (*read)(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                const struct sv_keys *keys, sv_row_visit visit, void *argument);

    /* The same for every row whose first keys->count keys are these, in any order; none is 0. */
    int (*list)(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                const struct sv_keys *keys, sv_row_visit visit, void *argument);

    /* Insert, update, or (tuple NULL) delete; takes effect at commit.
     * Returns: 0; SV_FULL; SV_CONFLICT; -EINVAL; -errno. */
    int (*write)(struct sv_source *source, struct sv_backend *self, uint32_t relation,
                 const struct sv_keys *keys, const struct sv_tuple *tuple);

    /* level: as sv_transaction_level. begin: opens it; release: into level - 1; rollback: gone. */
    int (*subtransaction_begin)(struct sv_source *source, struct sv_backend *self, uint32_t level);
    int (*subtransaction_release)(struct sv_source *source, struct sv_backend *self,
                                  uint32_t level);
    void (*subtransaction_rollback)(struct sv_source *source, struct sv_backend *self,
                                    uint32_t level);

    /* Atomically, also when this process is killed inside. *version: what the rows now carry. */
    int (*commit)(struct sv_source *source, struct sv_backend *self, uint64_t *version);
    void (*rollback)(struct sv_source *source, struct sv_backend *self);

    void (*close)(struct sv_source *source);
};

/*
 * Write through the open transaction: enlists the source, writes, and registers the catcache
 * message of (relation as cache id, hash of the keys), so that no producer can forget it. The
 * message is for every database: a source's rows are everybody's.
 *
 * Returns:  0; SV_FULL; SV_CONFLICT; -EINVAL too large, or the source has ended the transaction
 *           already (from within another one's commit or rollback); -errno.
 */
SV_API SV_NODISCARD int sv_source_write(struct sv_backend *self, struct sv_source *source,
                                        uint32_t relation, const struct sv_keys *keys,
                                        const struct sv_tuple *tuple);

/* The version that the last commit of this backend gave to what it wrote; 0: none. */
SV_API uint64_t sv_transaction_version(const struct sv_backend *self);

/* The hash that catcache messages carry. */
SV_API uint32_t sv_keys_hash(const struct sv_keys *keys);

/*
 * The table in the segment (sv_config.table_rows_max > 0). A commit is a redo record and one
 * store that makes it count; whoever finds its writer dead finishes it (src/cache/table.c).
 *
 * Its write answers SV_FULL for more than table_writes_max rows in a transaction, -EINVAL for a
 * value above table_value_max. Its commit answers -ENOSPC for more than table_rows_max rows.
 * Conflicts are not looked for: the last commit of a row wins.
 * Searches are short while a third of the rows is free; a nearly full table still works.
 *
 * Returns:  0; -EINVAL the segment has no table; -ENOMEM.
 * Owns:     the caller calls its close; so with every source.
 */
SV_API SV_NODISCARD int sv_table_open(struct sv_backend *self, struct sv_source **source);

/*
 * Rows in an SQLite database, in WAL mode; its tables `sinval` and `sinval_version` are made if
 * they are not there. A transaction takes SQLite's write lock with its first write, which answers
 * SV_CONFLICT if somebody keeps that lock for five seconds. To be opened after fork.
 *
 * Returns:  0             message is empty.
 *           -EINVAL       a path that other processes cannot open, or no regular file.
 *           -EISDIR, -ENOENT, -EACCES, -EROFS, -ENOSPC, ...  the path.
 *           -EMEDIUMTYPE  it is not a database.
 *           -EBUSY        somebody keeps it locked.
 *           -EIO          SQLite failed otherwise.
 *           With each, message[0 .. size-1] has the path and SQLite's own words.
 */
SV_API SV_NODISCARD int sv_sqlite_open(struct sv_backend *self, const char *path,
                                       struct sv_source **source, char *message, size_t size);

/* SQLite's own words on the last failure of a source that sv_sqlite_open gave; "" if none. */
SV_API const char *sv_sqlite_error(const struct sv_source *source);

#endif
