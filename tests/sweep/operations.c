/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The list of all operations, in the order in which they are swept and told of.
 */
#include "tests/sweep/operations.h"
#include "tests/sweep/operation.h"

const struct operation *const operation_tables[] = {operations_queue,
                                                    operations_sync,
                                                    operations_recovery,
                                                    operations_transaction,
                                                    operations_cache,
                                                    operations_sqlite,
                                                    NULL};
