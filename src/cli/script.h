/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Scripts: sequences of queue operations of several backends, one a line.
 *
 *     join P [s]   backend P attaches (s: send-only)
 *     leave P      it leaves the queue and detaches
 *     ins P N      it inserts N messages; they carry a running number 1, 2, 3, ...
 *     get P N      it reads at most N
 *     clean P F    it runs cleanup with minimum free F
 *     base X       all numbers are set to X; only while the queue is empty
 *
 * Empty lines and what follows a '#' say nothing.
 */
#ifndef SINVAL_CLI_SCRIPT_H
#define SINVAL_CLI_SCRIPT_H

#include <stdio.h>

#include "cli/cli.h"

enum {
    SCRIPT_BACKEND_MAX = 1023,     /* P: 0 to this */
    SCRIPT_MESSAGES_MAX = 1 << 20, /* of one ins or get */
};

enum verb { VERB_JOIN, VERB_LEAVE, VERB_INSERT, VERB_GET, VERB_CLEAN, VERB_BASE, VERB_COUNT };

struct operation {
    enum verb verb;
    bool send_only;   /* join */
    uint32_t line;    /* in the file, from 1 */
    uint32_t backend; /* P */
    uint32_t number;  /* N, F or X */
    char text[48];    /* the line, its words separated by one space */
};

struct script {
    const char *name; /* of the file, for complaints */
    struct operation *operations;
    size_t count;
};

/*
 * Read a whole script. Who is joined when is followed, so a backend that is not there is found
 * here. backends_max: how many may be joined at a time.
 *
 * Returns:  an exit status; STATUS_FINE: *script is complete. Else it was said what is wrong, where.
 * Owns:     the caller frees script->operations, also after a failure.
 */
int script_read(FILE *file, const char *name, uint32_t backends_max, struct script *script);

/*
 * Play it in a new segment and write one line an operation to out.
 *
 * Returns:  an exit status; STATUS_VIOLATED: an invariant of the queue does not hold.
 */
int script_play(const struct script *script, const struct sv_config *config, FILE *out);

#endif
