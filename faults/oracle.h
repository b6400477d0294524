/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The oracles' names, and what one of them found.
 *
 *     O1  no stale read after accept                              faults/reads.h
 *     O2  every message in order, or a reset; never neither       faults/delivery.h
 *     O3  the queue's invariants, the library's own assertions    faults/judge.h
 *     O4  progress: nothing hangs, everyone catches up            faults/judge.h, faults/watch.h
 *     O5  catchup: relayed, never a storm                         faults/judge.h
 *     O6  kill-safety, K1 to K5                                   faults/judge.h, faults/watch.h
 *     O7  no leak                                                 faults/judge.h
 *
 * Each is a function of data that says true, or false and why: so each can be shown to fail.
 */
#ifndef SINVAL_FAULTS_ORACLE_H
#define SINVAL_FAULTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sinval/api.h"

enum oracle {
    ORACLE_NONE,
    ORACLE_O1,
    ORACLE_O2,
    ORACLE_O3,
    ORACLE_O4,
    ORACLE_O5,
    ORACLE_O6,
    ORACLE_O7,
    ORACLE_COUNT,
};

#define FINDING_MESSAGE_MAX 384

/* What an oracle found: one sentence. */
struct finding {
    enum oracle oracle;
    char message[FINDING_MESSAGE_MAX];
};

/* "O1" to "O7"; "none". */
const char *oracle_name(enum oracle oracle);

/* What it promises, in a few words. */
const char *oracle_text(enum oracle oracle);

/* Fill in *finding. Returns: false, so that an oracle can say: return finding_set(...). */
bool finding_set(struct finding *finding, enum oracle oracle, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
