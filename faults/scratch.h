/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A directory for files that cannot be anonymous (a database with its log beside it), which is gone
 * when its users are, also if they are all killed.
 *
 * It lies under $TMPDIR, or /tmp. A janitor process waits for the end of a pipe that its maker and
 * everybody forked afterwards hold open; the end comes with the last of them, whatever they died
 * of. Then it removes the directory and ends. Only killing the janitor itself leaves it behind.
 */
#ifndef SINVAL_FAULTS_SCRATCH_H
#define SINVAL_FAULTS_SCRATCH_H

#include <sys/types.h>

#include "sinval/api.h"

#define SCRATCH_PATH_MAX 1024

struct scratch {
    char path[SCRATCH_PATH_MAX]; /* empty: there is none */
    int lifeline;
    pid_t janitor;
};

/* Returns: 0; -errno. */
SV_NODISCARD int scratch_make(struct scratch *scratch);

/* Remove it; its other users have ended. Nothing if there is none. */
void scratch_remove(struct scratch *scratch);

#endif
