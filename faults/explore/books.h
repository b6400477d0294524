/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * O2 in a small world: every reader gets every message of every writer, in order, untorn, once; or
 * it is reset. (faults/delivery.h is the same for real processes, which come and go.)
 *
 * The books are kept outside of what is explored, so to write in them takes no step: what a writer
 * has entered as begun, it may insert from then on; what it has entered as done has been inserted.
 */
#ifndef SINVAL_FAULTS_EXPLORE_BOOKS_H
#define SINVAL_FAULTS_EXPLORE_BOOKS_H

#include "faults/explore/machine.h"
#include "sinval/message.h"

#define BOOKS_BACKENDS_MAX 8

struct books_writer {
    uint32_t begun; /* messages 0 .. begun - 1 */
    uint32_t done;
    uint32_t promised; /* the first so many must arrive, if it dies perhaps twice */
};

struct books_reader {
    uint32_t next[BOOKS_BACKENDS_MAX]; /* by writer: the first one that has not been seen */
    uint32_t most[BOOKS_BACKENDS_MAX]; /* and the next one seen is between these two */
    uint32_t messages;
    uint32_t resets;
};

struct books {
    struct books_writer writers[BOOKS_BACKENDS_MAX];
    struct books_reader readers[BOOKS_BACKENDS_MAX];
};

struct sv_message books_message(uint32_t writer, uint32_t sequence);

/* A reader joins, or was reset: what was done by now may never reach it. */
void books_sync(struct books *books, uint32_t reader);

/* It has read that. Ends the execution if it must not have. */
void books_take(struct books *books, uint32_t reader, const struct sv_message *message);

/* It has read all there is. Ends the execution if something is missing. */
void books_complete(const struct books *books, uint32_t reader);

#endif
