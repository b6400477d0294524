/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue's operations: attach and detach, insert, read, cleanup.
 */
#include "tests/sweep/operations.h"

/* ---- insert -------------------------------------------------------------------------------- */

static int number_one(struct actor *victim)
{
    actor_number(victim, 1);
    return 0;
}

static int number_many(struct actor *victim)
{
    actor_number(victim, 64);
    return 0;
}

/* A death leaves the first groups of write_quantum messages, each whole, and nothing of the rest. */
static int insert_numbered(struct actor *victim)
{
    sv_queue_insert(victim->self, victim->messages, victim->inserted);
    actor_sent(victim);
    return 0;
}

const struct operation operations_queue[] = {
    {
        .name = "insert-1",
        .text = "insert of one message",
        .prepare = number_one,
        .run = insert_numbered,
    },
    {
        .name = "insert-64",
        .text = "insert of one group",
        .prepare = number_many,
        .run = insert_numbered,
    },
    {0},
};
