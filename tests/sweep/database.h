/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A world's SQLite database, for operations whose rows are in one: made anew for each death by the
 * first who opens it, in a memory file system, where a sync costs nothing.
 *
 * Its path follows from the process that sweeps, so each participant knows it.
 */
#ifndef SINVAL_TESTS_SWEEP_DATABASE_H
#define SINVAL_TESTS_SWEEP_DATABASE_H

#include "tests/sweep/operation.h"
#include "tests/sweep/trace.h"

#define DATABASE_PATH_MAX 64

/* Take away what an earlier death left there. sweeper: the process that opened the world. */
void database_forget(pid_t sweeper);

/* The participant's own connection, in actor->source. Returns: as actor_open_table. */
SV_NODISCARD int database_open(struct actor *actor, pid_t sweeper);

/* Where a participant that has it open has mapped SQLite's index of the log, which all share. */
struct trace_region database_index(pid_t participant);

/* Nobody has it open: is every page of it whole? Accuses if not. Asked in a process of its own. */
void database_judge(const struct control *control, pid_t sweeper);

#endif
