/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * O1: no stale read after accept.
 *
 * Rows carry their writer's birth, its transaction, a serial number within it, whether it is doomed
 * (its transaction or a level around it will be rolled back, decided beforehand), and a checksum.
 * The truth of a row is the newest version whose commit has returned to its writer, stored after
 * that. A reader takes the truth before it accepts; what it reads afterwards must not be older.
 */
#ifndef SINVAL_FAULTS_READS_H
#define SINVAL_FAULTS_READS_H

#include "faults/control.h"
#include "sinval/source.h"

#define ROW_RELATION      7    /* of the rows, and the id of the catcache over them */
#define ROW_GROUP_MEMBERS 8    /* rows that share their first key; a relation is built of them */
#define ROW_GROUP_FIRST   1000 /* the relation of group 0 */

/* What a row holds. */
struct row_value {
    uint32_t birth;
    uint32_t transaction;
    uint32_t serial;
    uint32_t key;
    uint32_t doomed;
    uint32_t check;
};

/* A row's keys, (group, member), as bytes. */
struct row_keys {
    uint32_t words[2];
    struct sv_keys keys;
};

void row_keys_set(struct row_keys *row_keys, uint32_t key);

/* A complete value. */
struct row_value row_value_make(uint32_t birth, uint32_t transaction, uint32_t serial, uint32_t key,
                                bool doomed);

/* What the reader itself has done to the row in its open transaction. */
enum own_write { OWN_NONE, OWN_WRITTEN, OWN_DELETED };

/* A read and what was known before. */
struct row_read {
    uint32_t key;
    bool found;
    struct row_value value; /* if found; bytes that were no value give check 0 */
    uint64_t version;
    uint64_t truth;       /* before the accept */
    uint32_t reader;      /* its birth */
    uint32_t transaction; /* its open transaction; 0: none */
    enum own_write own;
    uint32_t own_serial;
};

/* The value part of a read. */
void row_read_take(struct row_read *read, const struct sv_tuple *tuple);

/* Is what was read right? Looks at the control area as it is now, after the read. */
bool reads_judge(const struct control *control, const struct row_read *read,
                 struct finding *finding);

#endif
