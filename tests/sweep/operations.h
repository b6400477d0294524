/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The tables of operations, a file each.
 */
#ifndef SINVAL_TESTS_SWEEP_OPERATIONS_H
#define SINVAL_TESTS_SWEEP_OPERATIONS_H

#include "tests/sweep/operation.h"

extern const struct operation operations_queue[];
extern const struct operation operations_sync[];
extern const struct operation operations_recovery[];
extern const struct operation operations_transaction[];
extern const struct operation operations_cache[];
extern const struct operation operations_sqlite[];

/* Under an application's lock; also what predecessors die in. */
int use_app_exclusive(struct actor *actor);
int use_app_shared(struct actor *actor);

/* For canaries: one that is right, and one that is not. In no table. */
extern const struct operation operation_honest;
extern const struct operation operation_dishonest;
extern const struct operation operation_nameless; /* to be stopped: stop.c */

#endif
